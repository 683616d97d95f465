// How the figures of a scorecard are put.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/score/scorecard.hpp"

namespace grit {

/// Kinds of damage that are proven to make steps longer.
int harmful_cells(const Scorecard& card);
/// Of these, those that some check is credited for.
int noticed_cells(const Scorecard& card);
/// "Of 12 kinds of damage that made steps longer, 9 were noticed by some check and 3 missed."
std::string score_sentence(const Scorecard& card);
/// "+31 % (24 .. 38)", "no harm shown", "too few pairs".
std::string harm_text(const CellSummary& summary);
/// "link_loss (direction in)": the series' fault, and what tells it from others by the same fault.
std::string series_name(const DoseSeries& series);
/// A dose of the series as people write it: that of a cell by the cell's magnitude.
std::string dose_text(const ScoreInput& input, const DoseSeries& series, double dose);
/// From which dose on steps are 5 % longer: "2 s", "100 ms, or less", "not known".
std::string harm_threshold_text(const ScoreInput& input, const DoseSeries& series);
/// By two digits, or whole from 100 on: "0.31", "2309".
std::string figure_text(double per_hour);
/// "0.41 (0.02 .. 1.4)" a node-hour; "always on"; "cannot be read".
std::string false_alarm_text(const FalseAlarms& alarms);
/// "1.3 s (0.9 .. 2.1)"; "more than 7.4 s" for the interval's low end where the median was not reached; empty.
std::string detection_time_text(const Recall& recall);
/// Why the kind's injections are not proven: "never acted (6 injections)"; empty: all are.
std::string unproven_text(const CellSummary& summary);
/// Checks of which no reading told anything, by what their first said: "gpu_clock, gpu_memory (no GPU)".
std::vector<std::string> unread_texts(const ScoreInput& input, const Scorecard& card);
/// What is to be said of a check in two or three words: "could not look here", "always on", "never fired", "cannot be
/// read", "not shown to be more than chance"; empty: it is credited for something.
std::string odd_check_text(const ScoreInput& input, const Scorecard& card, std::size_t check);
/// The check's usual time to detection: the median over the cells that it is credited for; empty: none.
std::optional<double> usual_detection_ns(const Scorecard& card, std::size_t check);

}  // namespace grit
