#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tutti::data {

// What listeners say around the words of a title: "can you recommend some {}?", where {} stands for
// the title. A model that read only titles meets such prompts for the first time when it serves.
struct RequestTemplates {
  std::vector<std::string> training;    // titles are put into these to be trained on
  std::vector<std::string> evaluation;  // and into these to be asked; none is in both
};

// The templates of data/requests.txt, which the program carries.
RequestTemplates bundled_requests();

// Adds those of a file of the same form: a template a line behind [training] or [evaluation], each
// with {} once; # begins a comment. One that is known in its list already adds nothing. DataError
// naming the line: another section, a template without {} or with two, one that is in the other
// list.
void add_requests(const std::filesystem::path& path, RequestTemplates* templates);

// DataError when a template is in both lists. Templates are compared as titles are (normalizer.h):
// "Play {}!" is "play {}". `origin`: whose `training` it is, for the message.
void require_apart(const std::vector<std::string>& training,
                   const std::vector<std::string>& evaluation, const std::string& origin);

// What `share` of the training titles is put into: the bundled templates and those of `path`
// (empty: none); no template where the share is 0. UsageError naming --request-share or --requests.
std::vector<std::string> training_requests(double share, const std::string& path);

// The title in its place.
std::string as_request(std::string_view request, std::string_view title);

// Which of `count` templates the title of a playlist is put into, -1: it stays bare. A pure
// function, so that a playlist is the same prompt in every epoch, at any world size and behind a
// resume. `share`: of the playlists that are requests, 0 to 1.
int64_t request_of(uint64_t seed, int64_t playlist, double share, int64_t count);

}  // namespace tutti::data
