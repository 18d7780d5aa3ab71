#include "data/synth/tag_words.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace tutti::data {
namespace {

struct Entry {
  std::string_view tag;
  std::array<std::string_view, 4> phrases;  // the plain words first; empty ones are unused
};

// Sorted by tag. Written by hand for the tags of the MTG-Jamendo catalogue; a phrase may stand with
// several tags ("chill", "keys"), as people use it.
constexpr Entry kEntries[] = {
    {"genre:60s", {"60s", "sixties", "60s oldies", "from the 60s"}},
    {"genre:70s", {"70s", "seventies", "70s classics", "from the 70s"}},
    {"genre:80s", {"80s", "eighties", "80s throwbacks", "from the 80s"}},
    {"genre:90s", {"90s", "nineties", "90s throwbacks", "from the 90s"}},
    {"genre:acidjazz", {"acid jazz", "jazzy grooves"}},
    {"genre:alternative", {"alternative", "alt", "alternative stuff"}},
    {"genre:alternativerock", {"alternative rock", "alt rock"}},
    {"genre:ambient", {"ambient", "ambience", "drifting ambient"}},
    {"genre:atmospheric", {"atmospheric", "atmosphere", "airy"}},
    {"genre:blues", {"blues", "bluesy", "the blues"}},
    {"genre:bluesrock", {"blues rock", "bluesy rock"}},
    {"genre:bossanova", {"bossa nova", "bossa", "brazilian bossa"}},
    {"genre:breakbeat", {"breakbeat", "breaks", "breakbeats"}},
    {"genre:celtic", {"celtic", "irish", "celtic folk"}},
    {"genre:chanson", {"chanson", "french", "french chanson"}},
    {"genre:chillout", {"chillout", "chill", "chill out"}},
    {"genre:choir", {"choir", "choral", "choirs"}},
    {"genre:classical", {"classical", "classics", "classical music"}},
    {"genre:classicrock", {"classic rock", "dad rock", "old school rock"}},
    {"genre:club", {"club", "clubbing", "club bangers"}},
    {"genre:contemporary", {"contemporary", "modern", "contemporary composers"}},
    {"genre:country", {"country", "country roads", "nashville"}},
    {"genre:dance", {"dance", "dancing", "dance floor"}},
    {"genre:darkambient", {"dark ambient", "drone"}},
    {"genre:darkwave", {"darkwave", "dark wave", "goth"}},
    {"genre:deephouse", {"deep house", "deep house grooves"}},
    {"genre:disco", {"disco", "disco fever", "boogie"}},
    {"genre:downtempo", {"downtempo", "slow beats", "down tempo"}},
    {"genre:drumnbass", {"drum and bass", "dnb", "drum n bass"}},
    {"genre:dub", {"dub", "dubwise", "heavy dub"}},
    {"genre:dubstep", {"dubstep", "wobble", "bass drops"}},
    {"genre:easylistening", {"easy listening", "easy", "easygoing"}},
    {"genre:edm", {"edm", "festival edm", "big room"}},
    {"genre:electronic", {"electronic", "electro", "electronic beats"}},
    {"genre:electronica", {"electronica", "electronica beats"}},
    {"genre:electropop", {"electropop", "electro pop"}},
    {"genre:ethno", {"ethno", "ethnic", "tribal"}},
    {"genre:eurodance", {"eurodance", "euro dance"}},
    {"genre:experimental", {"experimental", "weird", "avant garde"}},
    {"genre:folk", {"folk", "folksy", "campfire folk"}},
    {"genre:funk", {"funk", "funky", "get funky"}},
    {"genre:fusion", {"fusion", "fusion jams"}},
    {"genre:groove", {"groove", "grooves", "in the groove"}},
    {"genre:grunge", {"grunge", "seattle", "grungy"}},
    {"genre:hard", {"hard", "hardcore", "hard stuff"}},
    {"genre:hardrock", {"hard rock", "hard rockin"}},
    {"genre:hiphop", {"hip hop", "hiphop", "hip hop beats"}},
    {"genre:house", {"house", "house music", "housey"}},
    {"genre:idm", {"idm", "glitch", "braindance"}},
    {"genre:improvisation", {"improvisation", "improv", "jam session"}},
    {"genre:indie", {"indie", "indie stuff", "indie gems"}},
    {"genre:industrial", {"industrial", "industrial noise", "machine music"}},
    {"genre:instrumentalpop", {"instrumental pop", "pop instrumentals"}},
    {"genre:instrumentalrock", {"instrumental rock", "rock instrumentals"}},
    {"genre:jazz", {"jazz", "jazzy", "jazz club"}},
    {"genre:jazzfusion", {"jazz fusion", "fusion jazz"}},
    {"genre:latin", {"latin", "latino", "latin heat"}},
    {"genre:lounge", {"lounge", "cocktail lounge", "hotel lobby"}},
    {"genre:medieval", {"medieval", "middle ages", "renaissance"}},
    {"genre:metal", {"metal", "metalhead", "heavy metal"}},
    {"genre:minimal", {"minimal", "minimalist", "minimalism"}},
    {"genre:newage", {"new age", "healing", "zen"}},
    {"genre:newwave", {"new wave", "new wavers"}},
    {"genre:orchestral", {"orchestral", "orchestra pieces", "full orchestra"}},
    {"genre:pop", {"pop", "poppy", "pop hits"}},
    {"genre:popfolk", {"folk pop", "pop folk", "folky pop"}},
    {"genre:poprock", {"pop rock", "poppy rock"}},
    {"genre:postrock", {"post rock", "postrock crescendos"}},
    {"genre:progressive", {"progressive", "prog", "proggy"}},
    {"genre:psychedelic", {"psychedelic", "psych", "trippy"}},
    {"genre:punkrock", {"punk rock", "punk", "punks"}},
    {"genre:rap", {"rap", "rapping", "bars"}},
    {"genre:reggae", {"reggae", "island vibes", "jamaican"}},
    {"genre:rnb", {"rnb", "r&b", "rhythm and blues"}},
    {"genre:rock", {"rock", "rockin", "rock n roll stuff"}},
    {"genre:rocknroll", {"rock and roll", "rock n roll", "rockabilly"}},
    {"genre:singersongwriter", {"singer songwriter", "songwriters", "singer songwriters"}},
    {"genre:soul", {"soul", "soulful", "soul food"}},
    {"genre:soundtrack", {"soundtrack", "soundtracks", "score"}},
    {"genre:swing", {"swing", "big band", "swinging"}},
    {"genre:symphonic", {"symphonic", "symphony", "symphonies"}},
    {"genre:synthpop", {"synthpop", "synth pop", "synthy pop"}},
    {"genre:techno", {"techno", "warehouse", "techno bunker"}},
    {"genre:trance", {"trance", "trancey", "hands up"}},
    {"genre:triphop", {"trip hop", "triphop", "trip hop beats"}},
    {"genre:world", {"world", "around the world", "world music"}},
    {"genre:worldfusion", {"world fusion", "global fusion"}},
    {"instrument:accordion", {"accordion", "accordions", "squeezebox"}},
    {"instrument:acousticbassguitar", {"acoustic bass guitar", "acoustic bass"}},
    {"instrument:acousticguitar", {"acoustic guitar", "acoustic", "unplugged"}},
    {"instrument:bass", {"bass", "bassline", "basslines"}},
    {"instrument:beat", {"beat", "beats", "beat driven"}},
    {"instrument:bell", {"bells", "bell", "chimes"}},
    {"instrument:bongo", {"bongos", "bongo", "hand drums"}},
    {"instrument:brass", {"brass", "brass section", "brassy"}},
    {"instrument:cello", {"cello", "cellos"}},
    {"instrument:clarinet", {"clarinet", "clarinets", "woodwinds"}},
    {"instrument:classicalguitar", {"classical guitar", "nylon guitar", "spanish guitar"}},
    {"instrument:computer", {"computer", "laptop", "computer music"}},
    {"instrument:doublebass", {"double bass", "upright bass", "contrabass"}},
    {"instrument:drummachine", {"drum machine", "808s", "drum machines"}},
    {"instrument:drums", {"drums", "drumming", "drummer"}},
    {"instrument:electricguitar", {"electric guitar", "guitar riffs", "shredding"}},
    {"instrument:electricpiano", {"electric piano", "e piano"}},
    {"instrument:flute", {"flute", "flutes"}},
    {"instrument:guitar", {"guitar", "guitars", "strumming"}},
    {"instrument:harmonica", {"harmonica", "blues harp"}},
    {"instrument:harp", {"harp", "harps"}},
    {"instrument:horn", {"horn", "horns", "horn section"}},
    {"instrument:keyboard", {"keyboard", "keyboards", "keys"}},
    {"instrument:oboe", {"oboe", "oboes"}},
    {"instrument:orchestra", {"orchestra", "philharmonic", "orchestras"}},
    {"instrument:organ", {"organ", "hammond", "organs"}},
    {"instrument:pad", {"pads", "pad", "synth pads"}},
    {"instrument:percussion", {"percussion", "percussive", "shakers"}},
    {"instrument:piano", {"piano", "keys", "pianos"}},
    {"instrument:pipeorgan", {"pipe organ", "church organ"}},
    {"instrument:rhodes", {"rhodes", "fender rhodes"}},
    {"instrument:sampler", {"sampler", "samples", "sampled"}},
    {"instrument:saxophone", {"saxophone", "sax", "saxy"}},
    {"instrument:strings", {"strings", "string section", "string quartet"}},
    {"instrument:synthesizer", {"synthesizer", "synth", "synths"}},
    {"instrument:trombone", {"trombone", "trombones"}},
    {"instrument:trumpet", {"trumpet", "trumpets"}},
    {"instrument:ukulele", {"ukulele", "uke"}},
    {"instrument:viola", {"viola", "violas"}},
    {"instrument:violin", {"violin", "violins", "fiddle"}},
    {"instrument:voice", {"voice", "vocals", "singing"}},
    {"mood/theme:action", {"action", "action scenes", "action packed"}},
    {"mood/theme:adventure", {"adventure", "adventures", "quest"}},
    {"mood/theme:advertising", {"advertising", "ads", "commercials"}},
    {"mood/theme:ambiental", {"ambiental", "ambient mood", "floating"}},
    {"mood/theme:background", {"background", "in the background", "background music"}},
    {"mood/theme:ballad", {"ballad", "ballads", "slow ballads"}},
    {"mood/theme:calm", {"calm", "calming", "peaceful"}},
    {"mood/theme:children", {"children", "kids", "for kids"}},
    {"mood/theme:christmas", {"christmas", "xmas", "holiday cheer"}},
    {"mood/theme:commercial", {"commercial", "catchy", "jingles"}},
    {"mood/theme:cool", {"cool", "cool cats", "smooth"}},
    {"mood/theme:corporate", {"corporate", "business", "presentation"}},
    {"mood/theme:dark", {"dark", "darkness", "gloomy"}},
    {"mood/theme:deep", {"deep", "deep stuff", "deep end"}},
    {"mood/theme:documentary", {"documentary", "documentaries", "storytelling"}},
    {"mood/theme:drama", {"drama", "dramas", "theatrical"}},
    {"mood/theme:dramatic", {"dramatic", "intense", "tension"}},
    {"mood/theme:dream", {"dream", "dreamy", "daydream"}},
    {"mood/theme:emotional", {"emotional", "feelings", "in my feels"}},
    {"mood/theme:energetic", {"energetic", "energy", "high energy"}},
    {"mood/theme:epic", {"epic", "heroic", "larger than life"}},
    {"mood/theme:fast", {"fast", "speed", "fast paced"}},
    {"mood/theme:film", {"film", "cinematic", "film score"}},
    {"mood/theme:fun", {"fun", "good times", "feel good fun"}},
    {"mood/theme:funny", {"funny", "silly", "goofy"}},
    {"mood/theme:game", {"game", "gaming", "video game"}},
    {"mood/theme:groovy", {"groovy", "get groovy", "feel the groove"}},
    {"mood/theme:happy", {"happy", "happiness", "feel good"}},
    {"mood/theme:heavy", {"heavy", "heavy stuff", "loud"}},
    {"mood/theme:holiday", {"holiday", "holidays", "vacation"}},
    {"mood/theme:hopeful", {"hopeful", "hope", "bright days"}},
    {"mood/theme:horror", {"horror", "scary", "spooky"}},
    {"mood/theme:inspiring", {"inspiring", "inspiration", "inspired"}},
    {"mood/theme:love", {"love", "love songs", "lovers"}},
    {"mood/theme:meditative", {"meditative", "meditation", "mindful"}},
    {"mood/theme:melancholic", {"melancholic", "melancholy", "wistful"}},
    {"mood/theme:mellow", {"mellow", "mellowed out", "easy mellow"}},
    {"mood/theme:melodic", {"melodic", "melodies", "melody"}},
    {"mood/theme:motivational", {"motivational", "motivation", "get motivated"}},
    {"mood/theme:movie", {"movie", "movies", "movie night"}},
    {"mood/theme:nature", {"nature", "forest", "outdoors"}},
    {"mood/theme:party", {"party", "partying", "turn up"}},
    {"mood/theme:positive", {"positive", "good vibes", "positivity"}},
    {"mood/theme:powerful", {"powerful", "power", "strong"}},
    {"mood/theme:relaxing", {"relaxing", "chill", "laid back", "unwind"}},
    {"mood/theme:retro", {"retro", "vintage", "throwback"}},
    {"mood/theme:romantic", {"romantic", "romance", "date night"}},
    {"mood/theme:sad", {"sad", "heartbreak", "crying"}},
    {"mood/theme:sexy", {"sexy", "sensual", "seductive"}},
    {"mood/theme:slow", {"slow", "slow jams", "slowed down"}},
    {"mood/theme:soft", {"soft", "gentle", "tender"}},
    {"mood/theme:soundscape", {"soundscape", "soundscapes", "textures"}},
    {"mood/theme:space", {"space", "cosmic", "outer space"}},
    {"mood/theme:sport", {"sport", "sports", "game day"}},
    {"mood/theme:summer", {"summer", "summertime", "sunny"}},
    {"mood/theme:trailer", {"trailer", "trailers", "blockbuster"}},
    {"mood/theme:travel", {"travel", "traveling", "wanderlust"}},
    {"mood/theme:upbeat", {"upbeat", "bouncy", "pick me up"}},
    {"mood/theme:uplifting", {"uplifting", "uplift", "lift me up"}},
};

}  // namespace

std::vector<std::string> phrases_of_tag(std::string_view tag) {
  const auto* found =
      std::lower_bound(std::begin(kEntries), std::end(kEntries), tag,
                       [](const Entry& entry, std::string_view name) { return entry.tag < name; });
  if (found == std::end(kEntries) || found->tag != tag) return {words_in_tag_name(tag)};
  std::vector<std::string> phrases;
  for (const std::string_view phrase : found->phrases) {
    if (!phrase.empty()) phrases.emplace_back(phrase);
  }
  return phrases;
}

std::vector<std::string_view> known_tags() {
  std::vector<std::string_view> tags;
  for (const Entry& entry : kEntries) tags.push_back(entry.tag);
  return tags;
}

std::string plain_words_of_tag(std::string_view tag) {
  return phrases_of_tag(tag).front();
}

TagKind kind_of_tag(std::string_view tag) {
  if (tag.starts_with("mood")) return TagKind::kMood;
  if (tag.starts_with("instrument:")) return TagKind::kInstrument;
  return TagKind::kGenre;
}

std::string words_in_tag_name(std::string_view tag) {
  if (const size_t colon = tag.rfind(':'); colon != std::string_view::npos) {
    tag.remove_prefix(colon + 1);
  }
  std::string words;
  for (const char c : tag) {
    const bool separates = c == '_' || c == '-' || c == '/' || c == ' ';
    if (!separates) {
      words.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    } else if (!words.empty() && words.back() != ' ') {
      words.push_back(' ');
    }
  }
  while (!words.empty() && words.back() == ' ') words.pop_back();
  return words.empty() ? std::string(tag) : words;
}

}  // namespace tutti::data
