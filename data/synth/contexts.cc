#include "data/synth/contexts.h"

#include <map>

namespace tutti::data {
namespace {

using Words = const std::string_view[];

constexpr Words kRunningBefore = {"running", "morning run", "5k"};
constexpr Words kRunningAfter = {"for running", "to run to", "for a run"};
constexpr Words kRunningTags = {"mood/theme:energetic",
                                "mood/theme:fast",
                                "mood/theme:sport",
                                "mood/theme:upbeat",
                                "mood/theme:motivational",
                                "genre:dance",
                                "genre:techno",
                                "genre:house",
                                "genre:edm",
                                "genre:drumnbass"};

constexpr Words kWorkoutBefore = {"workout", "gym", "lifting"};
constexpr Words kWorkoutAfter = {"for the gym", "to work out to", "workout"};
constexpr Words kWorkoutTags = {"mood/theme:energetic",
                                "mood/theme:powerful",
                                "mood/theme:sport",
                                "mood/theme:motivational",
                                "genre:hiphop",
                                "genre:dubstep",
                                "genre:hardrock",
                                "genre:metal",
                                "genre:edm",
                                "genre:rap"};

constexpr Words kLateNightBefore = {"late night", "midnight", "after hours"};
constexpr Words kLateNightAfter = {"at night", "late at night", "after midnight"};
constexpr Words kLateNightTags = {"mood/theme:deep",   "mood/theme:dark", "mood/theme:slow",
                                  "mood/theme:mellow", "genre:deephouse", "genre:triphop",
                                  "genre:downtempo",   "genre:lounge",    "genre:jazz"};

constexpr Words kRainyDayBefore = {"rainy day", "rain", "rainy sunday"};
constexpr Words kRainyDayAfter = {"in the rain", "for a rainy day", "for a rainy sunday"};
constexpr Words kRainyDayTags = {"mood/theme:melancholic",
                                 "mood/theme:sad",
                                 "mood/theme:calm",
                                 "mood/theme:soft",
                                 "instrument:piano",
                                 "instrument:acousticguitar",
                                 "genre:folk",
                                 "genre:jazz",
                                 "genre:triphop"};

constexpr Words kStudyBefore = {"study", "homework", "focus"};
constexpr Words kStudyAfter = {"for studying", "to study to", "for homework"};
constexpr Words kStudyTags = {"mood/theme:calm", "mood/theme:background", "mood/theme:meditative",
                              "mood/theme:soft", "genre:ambient",         "genre:classical",
                              "genre:downtempo", "instrument:piano",      "genre:minimal"};

constexpr Words kSleepBefore = {"sleep", "bedtime", "sleepy"};
constexpr Words kSleepAfter = {"for sleep", "to fall asleep to", "before bed"};
constexpr Words kSleepTags = {"mood/theme:calm",       "mood/theme:slow",  "mood/theme:soft",
                              "mood/theme:meditative", "mood/theme:dream", "genre:ambient",
                              "genre:newage",          "instrument:piano", "mood/theme:soundscape"};

constexpr Words kPartyBefore = {"house party", "pregame", "friday night"};
constexpr Words kPartyAfter = {"for the party", "to party to", "with friends"};
constexpr Words kPartyTags = {"mood/theme:party", "mood/theme:fun", "mood/theme:upbeat",
                              "genre:dance",      "genre:house",    "genre:disco",
                              "genre:edm",        "genre:pop",      "genre:club"};

constexpr Words kDinnerBefore = {"dinner", "dinner party", "wine night"};
constexpr Words kDinnerAfter = {"for dinner", "over dinner", "with wine"};
constexpr Words kDinnerTags = {"mood/theme:romantic", "mood/theme:mellow", "mood/theme:cool",
                               "genre:jazz",          "genre:lounge",      "genre:bossanova",
                               "genre:easylistening", "genre:swing",       "instrument:doublebass"};

constexpr Words kMorningBefore = {"morning", "sunday morning", "wake up"};
constexpr Words kMorningAfter = {"in the morning", "for the morning", "with coffee"};
constexpr Words kMorningTags = {"mood/theme:happy",
                                "mood/theme:uplifting",
                                "mood/theme:positive",
                                "mood/theme:hopeful",
                                "genre:folk",
                                "genre:indie",
                                "genre:popfolk",
                                "instrument:acousticguitar",
                                "genre:singersongwriter"};

constexpr Words kRoadTripBefore = {"road trip", "driving", "highway"};
constexpr Words kRoadTripAfter = {"for the road", "to drive to", "in the car"};
constexpr Words kRoadTripTags = {
    "genre:rock",        "genre:classicrock",    "genre:country",
    "genre:indie",       "genre:alternative",    "genre:poprock",
    "mood/theme:travel", "mood/theme:energetic", "instrument:electricguitar"};

constexpr Words kBeachBefore = {"beach", "beach day", "pool day"};
constexpr Words kBeachAfter = {"at the beach", "by the pool", "in the sun"};
constexpr Words kBeachTags = {"mood/theme:summer",  "mood/theme:holiday", "mood/theme:happy",
                              "genre:reggae",       "genre:latin",        "genre:bossanova",
                              "instrument:ukulele", "genre:house",        "genre:dub"};

constexpr Words kYogaBefore = {"yoga", "spa", "breathe"};
constexpr Words kYogaAfter = {"for yoga", "for the spa", "to breathe to"};
constexpr Words kYogaTags = {"mood/theme:meditative", "mood/theme:relaxing", "mood/theme:calm",
                             "mood/theme:nature",     "genre:newage",        "genre:ambient",
                             "genre:ethno",           "instrument:flute",    "genre:world"};

constexpr Words kEveningBefore = {"evening", "sunset", "evening walk"};
constexpr Words kEveningAfter = {"in the evening", "at sunset", "for the evening"};
constexpr Words kEveningTags = {"mood/theme:relaxing", "mood/theme:mellow",   "mood/theme:romantic",
                                "genre:chillout",      "genre:lounge",        "genre:easylistening",
                                "instrument:piano",    "instrument:saxophone"};

constexpr Words kBreakupBefore = {"breakup", "broken heart", "missing you"};
constexpr Words kBreakupAfter = {"after the breakup", "to cry to", "for lonely nights"};
constexpr Words kBreakupTags = {
    "mood/theme:sad",    "mood/theme:emotional", "mood/theme:melancholic",
    "mood/theme:ballad", "mood/theme:love",      "genre:singersongwriter",
    "genre:soul",        "instrument:voice",     "genre:rnb"};

constexpr Words kWeddingBefore = {"wedding", "first dance", "anniversary"};
constexpr Words kWeddingAfter = {"for the wedding", "to slow dance to", "for us two"};
constexpr Words kWeddingTags = {"mood/theme:love",    "mood/theme:romantic", "mood/theme:ballad",
                                "mood/theme:happy",   "genre:soul",          "genre:pop",
                                "instrument:strings", "genre:swing",         "genre:rnb"};

constexpr Words kGamingBefore = {"boss fight", "late game", "dungeon"};
constexpr Words kGamingAfter = {"to game to", "for boss fights", "for raids"};
constexpr Words kGamingTags = {"mood/theme:game",      "mood/theme:action",   "mood/theme:epic",
                               "mood/theme:adventure", "genre:dubstep",       "genre:industrial",
                               "genre:electronic",     "mood/theme:dramatic", "genre:drumnbass"};

constexpr Words kHalloweenBefore = {"halloween", "haunted house", "october nights"};
constexpr Words kHalloweenAfter = {"for halloween", "for dark nights", "for the haunted house"};
constexpr Words kHalloweenTags = {"mood/theme:horror",    "mood/theme:dark",  "mood/theme:dramatic",
                                  "genre:darkambient",    "genre:industrial", "genre:darkwave",
                                  "instrument:pipeorgan", "mood/theme:drama"};

constexpr Words kWinterBefore = {"winter", "snow day", "fireplace"};
constexpr Words kWinterAfter = {"for winter", "by the fire", "in the snow"};
constexpr Words kWinterTags = {"mood/theme:christmas", "mood/theme:calm", "mood/theme:nature",
                               "genre:classical",      "genre:choir",     "instrument:bell",
                               "instrument:strings",   "genre:folk",      "instrument:harp"};

constexpr Words kWorkBefore = {"work", "office", "monday"};
constexpr Words kWorkAfter = {"for work", "at the office", "to get through monday"};
constexpr Words kWorkTags = {
    "mood/theme:background", "mood/theme:corporate",  "mood/theme:positive", "mood/theme:inspiring",
    "mood/theme:upbeat",     "genre:instrumentalpop", "genre:pop",           "genre:electronic",
    "genre:easylistening"};

constexpr Words kCodingBefore = {"coding", "deep work", "hacking"};
constexpr Words kCodingAfter = {"for coding", "to code to", "for deep work"};
constexpr Words kCodingTags = {
    "genre:electronic",       "genre:idm",           "genre:minimal",
    "genre:techno",           "genre:ambient",       "genre:trance",
    "instrument:synthesizer", "instrument:computer", "mood/theme:soundscape"};

constexpr Words kCookingBefore = {"cooking", "kitchen", "brunch"};
constexpr Words kCookingAfter = {"in the kitchen", "to cook to", "for brunch"};
constexpr Words kCookingTags = {"mood/theme:groovy", "mood/theme:fun", "mood/theme:happy",
                                "genre:funk",        "genre:soul",     "genre:latin",
                                "genre:swing",       "genre:acidjazz", "instrument:brass"};

constexpr Words kWritingBefore = {"writing", "storytime", "dungeons and dragons"};
constexpr Words kWritingAfter = {"for writing", "to write to", "for the campaign"};
constexpr Words kWritingTags = {"mood/theme:epic",     "mood/theme:adventure", "mood/theme:film",
                                "mood/theme:dramatic", "genre:orchestral",     "genre:soundtrack",
                                "genre:medieval",      "genre:symphonic",      "genre:celtic"};

constexpr Words kSkatingBefore = {"skate", "skatepark", "garage"};
constexpr Words kSkatingAfter = {"for skating", "in the garage", "to skate to"};
constexpr Words kSkatingTags = {
    "genre:punkrock", "genre:grunge",    "genre:alternativerock", "genre:hiphop",
    "genre:rock",     "mood/theme:fast", "mood/theme:energetic",  "instrument:electricguitar"};

constexpr Words kStargazingBefore = {"stargazing", "night sky", "space trip"};
constexpr Words kStargazingAfter = {"under the stars", "among the stars", "for stargazing"};
constexpr Words kStargazingTags = {
    "mood/theme:space",     "mood/theme:dream", "mood/theme:deep",
    "mood/theme:ambiental", "genre:ambient",    "genre:trance",
    "genre:atmospheric",    "instrument:pad",   "instrument:synthesizer"};

constexpr Words kCampingBefore = {"camping", "campfire", "cabin"};
constexpr Words kCampingAfter = {"around the campfire", "in the woods", "for camping"};
constexpr Words kCampingTags = {
    "mood/theme:nature",    "mood/theme:travel", "genre:folk",
    "genre:country",        "genre:bluesrock",   "instrument:acousticguitar",
    "instrument:harmonica", "genre:celtic",      "genre:singersongwriter"};

constexpr Context kContexts[] = {
    {"running", kRunningBefore, kRunningAfter, kRunningTags, "\U0001F3C3"},
    {"workout", kWorkoutBefore, kWorkoutAfter, kWorkoutTags, "\U0001F4AA"},
    {"late night", kLateNightBefore, kLateNightAfter, kLateNightTags, "\U0001F319"},
    {"rainy day", kRainyDayBefore, kRainyDayAfter, kRainyDayTags, "\U00002614"},
    {"study", kStudyBefore, kStudyAfter, kStudyTags, "\U0001F4DA"},
    {"sleep", kSleepBefore, kSleepAfter, kSleepTags, "\U0001F634"},
    {"party", kPartyBefore, kPartyAfter, kPartyTags, "\U0001F389"},
    {"dinner", kDinnerBefore, kDinnerAfter, kDinnerTags, "\U0001F377"},
    {"morning", kMorningBefore, kMorningAfter, kMorningTags, "\U00002615"},
    {"road trip", kRoadTripBefore, kRoadTripAfter, kRoadTripTags, "\U0001F697"},
    {"beach", kBeachBefore, kBeachAfter, kBeachTags, "\U0001F334"},
    {"yoga", kYogaBefore, kYogaAfter, kYogaTags, "\U0001F9D8"},
    {"evening", kEveningBefore, kEveningAfter, kEveningTags, "\U0001F305"},
    {"breakup", kBreakupBefore, kBreakupAfter, kBreakupTags, "\U0001F494"},
    {"wedding", kWeddingBefore, kWeddingAfter, kWeddingTags, "\U0001F48D"},
    {"gaming", kGamingBefore, kGamingAfter, kGamingTags, "\U0001F3AE"},
    {"halloween", kHalloweenBefore, kHalloweenAfter, kHalloweenTags, "\U0001F383"},
    {"winter", kWinterBefore, kWinterAfter, kWinterTags, "\U00002744"},
    {"work", kWorkBefore, kWorkAfter, kWorkTags, "\U0001F4BC"},
    {"coding", kCodingBefore, kCodingAfter, kCodingTags, "\U0001F4BB"},
    {"cooking", kCookingBefore, kCookingAfter, kCookingTags, "\U0001F373"},
    {"writing", kWritingBefore, kWritingAfter, kWritingTags, "\U0001F4D6"},
    {"skating", kSkatingBefore, kSkatingAfter, kSkatingTags, "\U0001F6F9"},
    {"stargazing", kStargazingBefore, kStargazingAfter, kStargazingTags, "\U00002728"},
    {"camping", kCampingBefore, kCampingAfter, kCampingTags, "\U0001F525"},
};

constexpr Words kVagueTitles = {"my playlist",
                                "favs",
                                "favorites",
                                "favourites",
                                "good music",
                                "music",
                                "new",
                                "new stuff",
                                "new music",
                                "old stuff",
                                "everything",
                                "random",
                                "mix",
                                "the mix",
                                "jams",
                                "my jams",
                                "bangers",
                                "tunes",
                                "songs",
                                "songs i like",
                                "love these",
                                "liked",
                                "stuff",
                                "misc",
                                "car",
                                "home",
                                "school",
                                "me",
                                "mine",
                                "current",
                                "current favorites",
                                "right now",
                                "on repeat",
                                "best of",
                                "best ever",
                                "the good stuff",
                                "all time favorites",
                                "all time",
                                "guilty pleasures",
                                "discoveries",
                                "to listen",
                                "listen later",
                                "untitled",
                                "playlist 1",
                                "playlist 2",
                                "my music",
                                "hits",
                                "top songs",
                                "starred",
                                "life",
                                "vibes",
                                "mood",
                                "yes",
                                "fresh",
                                "weekend"};

constexpr Words kFirstNames = {
    "emma",  "olivia", "ava",   "mia",   "sofia", "emily", "anna",  "sarah", "laura", "julia",
    "maria", "nina",   "lena",  "clara", "alice", "zoe",   "lucy",  "ruby",  "grace", "ella",
    "noah",  "liam",   "jack",  "max",   "tom",   "ben",   "sam",   "alex",  "leo",   "paul",
    "david", "daniel", "james", "luke",  "ryan",  "adam",  "oscar", "hugo",  "felix", "jonas",
    "mark",  "peter",  "nick",  "chris", "mike",  "joe",   "dan",   "matt"};

constexpr Words kSeasonsAndMonths = {
    "spring", "summer", "fall", "winter", "january",   "february", "march",    "april",
    "may",    "june",   "july", "august", "september", "october",  "november", "december"};

}  // namespace

std::span<const Context> all_contexts() {
  return kContexts;
}
std::span<const std::string_view> vague_titles() {
  return kVagueTitles;
}
std::span<const std::string_view> first_names() {
  return kFirstNames;
}
std::span<const std::string_view> seasons_and_months() {
  return kSeasonsAndMonths;
}

std::vector<std::vector<int32_t>> rows_of_context_tags(const StringTable& tag_names) {
  std::map<std::string_view, int32_t> row_of;
  for (int64_t tag = 0; tag < tag_names.size(); ++tag) {
    row_of[tag_names[tag]] = static_cast<int32_t>(tag);
  }
  std::vector<std::vector<int32_t>> rows;
  for (const Context& context : all_contexts()) {
    rows.emplace_back();
    for (const std::string_view tag : context.tags) {
      if (const auto found = row_of.find(tag); found != row_of.end()) {
        rows.back().push_back(found->second);
      }
    }
  }
  return rows;
}

}  // namespace tutti::data
