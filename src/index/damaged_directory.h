// What deep verification and repair share when they come to a directory that may be damaged.
#pragma once

#include <memory>
#include <string>

#include "persistence/salvage.h"
#include "wal/survey.h"
#include "xtree/platform.h"
#include "xtree/result.h"

namespace xtree::index {

// Makes sure that there is something of a database in the directory, and that nobody has it open
// for as long as the file lives: null when there is no LOCK, as then nobody can. Writes nothing.
Result<std::unique_ptr<File>> lock_to_look(FileSystem& files, const std::string& directory);

// What a survey of the log found, as faults and doubts.
void add_log_faults(const wal::LogSurvey& log, persistence::FaultList& faults);

}  // namespace xtree::index
