// The files that make up the report page, embedded at build time (cmake/vega.cmake generates the definitions).
#pragma once

#include <string_view>

namespace grit::assets {

struct Asset {
  std::string_view text;
  std::string_view sha256_hex;  // of the text, for the page's Content-Security-Policy
};

extern const Asset kVega;            // Vega's modules as one script that defines globalThis.vega
extern const Asset kFrame;           // what all pages have, with {{placeholders}}
extern const Asset kPage;            // the <main> of a report, likewise
extern const Asset kComparisonPage;  // of a comparison
extern const Asset kScorePage;       // of a scorecard
extern const Asset kScoreStyle;      // its further CSS
extern const Asset kBurninPage;      // of a burn-in
extern const Asset kBurninStyle;     // its further CSS
extern const Asset kStyle;           // CSS
extern const Asset kScript;          // draws the plots

// Vega specifications; data, scale types and some signals are filled in by plots.cpp and plots_culprit.cpp.
extern const Asset kStepsSpec;
extern const Asset kWindowsSpec;
extern const Asset kPairsSpec;
extern const Asset kEffectsSpec;
extern const Asset kPhasesSpec;
extern const Asset kOwnWorkSpec;
extern const Asset kArrivalsSpec;
extern const Asset kLinksSpec;
extern const Asset kRunsSpec;
extern const Asset kLoadsSpec;
extern const Asset kDoseSpec;           // of a series; filled in by series_page.cpp
extern const Asset kDetectionSpec;      // of a scorecard; filled in by score_plots.cpp
extern const Asset kBurninFiguresSpec;  // of a burn-in; both filled in by burnin_plots.cpp
extern const Asset kBurninPairsSpec;
extern const Asset kBurninDriftSpec;  // by burnin_drift_plots.cpp

extern const std::string_view kVegaVersion;  // of the distribution's package

}  // namespace grit::assets
