#include "data/synth/names.h"

#include <cctype>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "data/synth/contexts.h"
#include "data/synth/streams.h"
#include "dist/runtime/rng.h"

namespace tutti::data {
namespace {

using Words = const std::string_view[];

constexpr Words kAdjectives = {
    "Amber",    "Ancient",  "Angry",     "Basic",    "Bitter",     "Black",     "Blind",
    "Blue",     "Borrowed", "Bright",    "Broken",   "Burning",    "Calm",      "Careful",
    "Cheap",    "Clear",    "Cold",      "Concrete", "Copper",     "Crimson",   "Crooked",
    "Cruel",    "Crystal",  "Dark",      "Dear",     "Deep",       "Distant",   "Divine",
    "Double",   "Dusty",    "Early",     "Easy",     "Electric",   "Empty",     "Endless",
    "Eternal",  "Faded",    "Faint",     "Fallen",   "False",      "Far",       "Fearless",
    "Final",    "First",    "Flying",    "Foolish",  "Foreign",    "Forgotten", "Fragile",
    "Free",     "Frozen",   "Gentle",    "Ghostly",  "Giant",      "Golden",    "Good",
    "Grey",     "Green",    "Half",      "Happy",    "Haunted",    "Heavy",     "Hidden",
    "High",     "Hollow",   "Holy",      "Honest",   "Humble",     "Hungry",    "Idle",
    "Infinite", "Inner",    "Invisible", "Iron",     "Ivory",      "Jaded",     "Kind",
    "Last",     "Late",     "Lazy",      "Left",     "Liquid",     "Little",    "Living",
    "Lonely",   "Long",     "Lost",      "Loud",     "Lovely",     "Lucky",     "Lunar",
    "Magnetic", "Mellow",   "Midnight",  "Minor",    "Modern",     "Naked",     "Neon",
    "New",      "Northern", "Old",       "Open",     "Orange",     "Other",     "Pale",
    "Paper",    "Perfect",  "Pink",      "Plain",    "Private",    "Proud",     "Purple",
    "Quiet",    "Rare",     "Raw",       "Red",      "Restless",   "Ripe",      "Rough",
    "Royal",    "Rusty",    "Sacred",    "Salty",    "Second",     "Secret",    "Shallow",
    "Sharp",    "Short",    "Silent",    "Silver",   "Simple",     "Slow",      "Small",
    "Soft",     "Solar",    "Southern",  "Stolen",   "Strange",    "Sudden",    "Sweet",
    "Tall",     "Tame",     "Tender",    "Thin",     "Tired",      "True",      "Twisted",
    "Velvet",   "Violet",   "Wandering", "Warm",     "Weightless", "White",     "Wicked",
    "Wild",     "Winter",   "Wooden",    "Young"};

constexpr Words kNouns = {
    "Afternoon", "Air",     "Alley",     "Angel",      "Animal",  "Anthem",    "Apple",
    "Arrow",     "Ash",     "Avenue",    "Balcony",    "Ballad",  "Bed",       "Bell",
    "Bird",      "Blanket", "Blood",     "Blossom",    "Boat",    "Body",      "Bone",
    "Book",      "Border",  "Bottle",    "Boulevard",  "Boy",     "Bread",     "Breath",
    "Bridge",    "Brother", "Bullet",    "Butterfly",  "Cabin",   "Candle",    "Canyon",
    "Car",       "Castle",  "Cathedral", "Chain",      "Chair",   "Child",     "Choir",
    "Circle",    "City",    "Cliff",     "Clock",      "Cloud",   "Coast",     "Coffee",
    "Colour",    "Comet",   "Corner",    "Country",    "Creek",   "Crown",     "Curtain",
    "Dance",     "Danger",  "Daughter",  "Dawn",       "Day",     "Desert",    "Diamond",
    "Distance",  "Dog",     "Door",      "Doubt",      "Dream",   "Dress",     "Drift",
    "Driver",    "Dust",    "Echo",      "Edge",       "Ember",   "Engine",    "Evening",
    "Eye",       "Face",    "Fever",     "Field",      "Fire",    "Flame",     "Flood",
    "Floor",     "Flower",  "Fog",       "Forest",     "Fortune", "Fountain",  "Fox",
    "Friend",    "Game",    "Garden",    "Gate",       "Ghost",   "Girl",      "Glass",
    "Gold",      "Gravity", "Ground",    "Guitar",     "Habit",   "Hand",      "Harbour",
    "Heart",     "Heaven",  "Highway",   "Hill",       "Home",    "Honey",     "Horizon",
    "Horse",     "Hotel",   "Hour",      "House",      "Hunter",  "Hurricane", "Ice",
    "Island",    "Jacket",  "Journey",   "Jungle",     "Key",     "King",      "Kingdom",
    "Kitchen",   "Ladder",  "Lake",      "Lamp",       "Letter",  "Life",      "Light",
    "Lightning", "Line",    "Lion",      "Lover",      "Machine", "Map",       "Market",
    "Memory",    "Message", "Mile",      "Mirror",     "Moment",  "Money",     "Moon",
    "Morning",   "Mother",  "Motion",    "Mountain",   "Mouth",   "Music",     "Name",
    "Neighbour", "Night",   "Noise",     "Ocean",      "Orchard", "Painting",  "Palace",
    "Parade",    "Party",   "Pattern",   "Photograph", "Piano",   "Picture",   "Pilot",
    "Planet",    "Poem",    "Pony",      "Prayer",     "Promise", "Pulse",     "Queen",
    "Question",  "Radio",   "Railway",   "Rain",       "Reason",  "Rhythm",    "Ribbon",
    "River",     "Road",    "Roof",      "Room",       "Rope",    "Rose",      "Rumour",
    "Saint",     "Salt",    "Sand",      "Satellite",  "Sea",     "Season",    "Shadow",
    "Shelter",   "Ship",    "Shoe",      "Shore",      "Signal",  "Silence",   "Sister",
    "Skin",      "Sky",     "Sleep",     "Smile",      "Smoke",   "Snow",      "Soldier",
    "Song",      "Soul",    "Sound",     "Spark",      "Spring",  "Star",      "Station",
    "Stone",     "Storm",   "Story",     "Stranger",   "Street",  "String",    "Summer",
    "Sun",       "Sunday",  "Sunset",    "Swimmer",    "Table",   "Tear",      "Telephone",
    "Temple",    "Thief",   "Thought",   "Thunder",    "Tide",    "Tiger",     "Time",
    "Tongue",    "Tower",   "Town",      "Trail",      "Train",   "Tree",      "Truth",
    "Tunnel",    "Valley",  "Voice",     "Wagon",      "Wall",    "Wanderer",  "War",
    "Water",     "Wave",    "Weather",   "Whisper",    "Wind",    "Window",    "Wine",
    "Wing",      "Winner",  "Wire",      "Wish",       "Wolf",    "Wonder",    "Word",
    "World",     "Wound",   "Year",      "Yesterday"};

constexpr Words kVerbs = {
    "Believe", "Break",  "Bring", "Call", "Carry", "Catch", "Chase",  "Choose", "Count",
    "Dance",   "Drive",  "Drown", "Fall", "Feel",  "Fight", "Find",   "Float",  "Fly",
    "Follow",  "Forget", "Give",  "Hear", "Hide",  "Hold",  "Hurt",   "Keep",   "Kiss",
    "Know",    "Learn",  "Leave", "Let",  "Lift",  "Light", "Listen", "Lose",   "Love",
    "Make",    "Meet",   "Miss",  "Move", "Need",  "Open",  "Paint",  "Play",   "Pull",
    "Push",    "Read",   "Rise",  "Run",  "Save",  "Send",  "Shake",  "Show",   "Sing",
    "Sleep",   "Speak",  "Stand", "Stay", "Steal", "Swim",  "Take",   "Tell",   "Touch",
    "Trust",   "Turn",   "Wait",  "Wake", "Walk",  "Want",  "Watch",  "Write"};

constexpr Words kWhither = {
    "Again",         "All Night",   "Alone",    "Away",        "Back",        "Down",
    "Forever",       "Home",        "Inside",   "Just Once",   "Like That",   "Now",
    "Once More",     "Out",         "Over",     "Right Here",  "Slowly",      "Somehow",
    "Together",      "Tonight",     "Too Long", "Too Soon",    "Tomorrow",    "Up",
    "Until Morning", "Without You", "With Me",  "for a While", "in the Dark", "on My Own"};

constexpr Words kPlaces = {
    "Austin",  "Berlin",  "Boston", "Brooklyn", "Cairo",   "Chicago",  "Dakota", "Dallas",
    "Denver",  "Dublin",  "Havana", "Houston",  "Jersey",  "Kingston", "Kyoto",  "Lagos",
    "Lima",    "Lisbon",  "London", "Madrid",   "Memphis", "Mexico",   "Miami",  "Montana",
    "Nairobi", "Naples",  "Oslo",   "Paris",    "Phoenix", "Prague",   "Reno",   "Rio",
    "Rome",    "Seville", "Texas",  "Tokyo",    "Tulsa",   "Utah",     "Vienna", "Warsaw"};

constexpr Words kGroups = {"Band",    "Brothers",  "Club",   "Collective", "Crew",    "Ensemble",
                           "Gang",    "Orchestra", "Party",  "Project",    "Quartet", "Sisters",
                           "Society", "Sound",     "System", "Trio",       "Union",   "Family"};

constexpr Words kVersions = {
    " (Live)",         " - Live",       " (Acoustic)", " - Acoustic",       " - Radio Edit",
    " (Remix)",        " - Remastered", " (Demo)",     " - Single Version", " (Instrumental)",
    " - Extended Mix", " (Interlude)",  " (Reprise)",  ", Pt. 1",           ", Pt. 2"};

constexpr Words kOnsets = {"b", "br", "c",  "ch", "cl", "d", "dr", "f", "g",  "gr",
                           "h", "j",  "k",  "kr", "l",  "m", "n",  "p", "pr", "r",
                           "s", "sh", "st", "t",  "tr", "v", "w",  "y", "z",  "th"};
constexpr Words kVowels = {"a", "e", "i", "o", "u", "a", "e", "o", "ai", "ea", "ia", "ou"};
constexpr Words kEndings = {"n",   "r",   "l",   "s",    "th",  "nd",  "rt", "ck",  "",    "ll",
                            "son", "man", "ley", "ford", "ton", "sky", "ez", "sen", "ini", "ova"};

template <size_t N>
std::string_view pick(const std::string_view (&words)[N], Rng& rng) {
  return words[rng.below(N)];
}

void capitalize(std::string* word) {
  if (!word->empty())
    (*word)[0] = static_cast<char>(std::toupper(static_cast<unsigned char>((*word)[0])));
}

std::string first_name(Rng& rng) {
  const auto names = first_names();
  std::string name(names[rng.below(names.size())]);
  capitalize(&name);
  return name;
}

// A word that no dictionary has: a family name, or a band's.
std::string made_up_word(Rng& rng, int syllables) {
  std::string word;
  for (int i = 0; i < syllables; ++i) {
    word += pick(kOnsets, rng);
    word += pick(kVowels, rng);
  }
  word += pick(kEndings, rng);
  capitalize(&word);
  return word;
}

std::string family_name(Rng& rng) {
  return made_up_word(rng, rng.below(8) == 0 ? 1 : 2);
}

std::string band_word(Rng& rng) {
  return made_up_word(rng, rng.below(3) == 0 ? 3 : 2);
}

std::string plural(std::string_view noun) {
  const bool hisses = noun.ends_with("s") || noun.ends_with("sh") || noun.ends_with("ch");
  const bool to_ies = noun.ends_with("y") && !noun.ends_with("ay") && !noun.ends_with("ey");
  if (to_ies) return std::string(noun.substr(0, noun.size() - 1)) + "ies";
  return std::string(noun) + (hisses ? "es" : "s");
}

std::string phrase(Rng& rng) {
  switch (rng.below(13)) {
    case 0:
      return std::string(pick(kNouns, rng));
    case 1:
    case 2:
    case 3:
      return fmt::format("{} {}", pick(kAdjectives, rng), pick(kNouns, rng));
    case 4:
      return fmt::format("The {}", pick(kNouns, rng));
    case 5:
      return fmt::format("{} {}", pick(kVerbs, rng), pick(kWhither, rng));
    case 6:
      return fmt::format("{} the {}", pick(kVerbs, rng), pick(kNouns, rng));
    case 7:
      return fmt::format("{} Me {}", pick(kVerbs, rng), pick(kWhither, rng));
    case 8:
      return fmt::format("{} of {}", pick(kNouns, rng), plural(pick(kNouns, rng)));
    case 9:
      return fmt::format("{} in the {}", plural(pick(kNouns, rng)), pick(kNouns, rng));
    case 10:
      return fmt::format("{} {} {}", pick(kAdjectives, rng), pick(kNouns, rng), pick(kNouns, rng));
    case 11:
      return fmt::format("My {} {}", pick(kAdjectives, rng), pick(kNouns, rng));
    default:
      return fmt::format("{} {}", pick(kPlaces, rng), pick(kNouns, rng));
  }
}

}  // namespace

std::string artist_name(uint64_t seed, int64_t artist) {
  Rng rng(seed, Purpose::kSynthCatalog, catalog_stream(CatalogStream::kArtistName, artist));
  const double u = rng.uniform();
  if (u < 0.50) return fmt::format("{} {}", first_name(rng), family_name(rng));
  if (u < 0.66) return band_word(rng);
  if (u < 0.69) return fmt::format("The {} {}", pick(kAdjectives, rng), plural(pick(kNouns, rng)));
  if (u < 0.72) return fmt::format("{} {}", pick(kAdjectives, rng), pick(kNouns, rng));
  if (u < 0.75) return fmt::format("{} {}", pick(kNouns, rng), pick(kNouns, rng));
  if (u < 0.81) return fmt::format("DJ {}", band_word(rng));
  if (u < 0.86) {
    return fmt::format("{} {} {}", pick(kPlaces, rng), pick(kNouns, rng), pick(kGroups, rng));
  }
  if (u < 0.95) return fmt::format("{} {}", band_word(rng), pick(kGroups, rng));
  return fmt::format("{} {} & the {}", first_name(rng), family_name(rng),
                     plural(pick(kNouns, rng)));
}

std::string album_name(uint64_t seed, int64_t album, const std::string& artist) {
  Rng rng(seed, Purpose::kSynthCatalog, catalog_stream(CatalogStream::kAlbumName, album));
  const double u = rng.uniform();
  if (u < 0.04) return artist;
  if (u < 0.07) return "Best of " + artist;
  if (u < 0.10) return fmt::format("Live in {}", pick(kPlaces, rng));
  std::string name = phrase(rng);
  if (u < 0.17) name += " EP";
  if (u > 0.96) name += " (Deluxe Edition)";
  return name;
}

std::string track_name(uint64_t seed, int64_t track) {
  Rng rng(seed, Purpose::kSynthCatalog, catalog_stream(CatalogStream::kTrackName, track));
  std::string name = phrase(rng);
  const double u = rng.uniform();
  if (u < 0.10) {
    name += pick(kVersions, rng);
  } else if (u < 0.16) {
    name += fmt::format(" (feat. {} {})", first_name(rng), family_name(rng));
  }
  return name;
}

}  // namespace tutti::data
