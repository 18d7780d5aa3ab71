#pragma once

#include <string>
#include <utility>
#include <vector>

#include "launch/ids_report_json.h"

namespace tutti::launch {

std::string to_text(const IdsReport& report);  // for the terminal
// One page that needs nothing else: tables and plots, legible printed and in dark mode.
std::string to_html(const IdsReport& report);
// Its parts, for a page of other things too: titles (text) with what is below them (HTML), and what
// it is about.
std::vector<std::pair<std::string, std::string>> ids_report_sections(const IdsReport& report);
std::string origin_words(const IdsReport& report);

}  // namespace tutti::launch
