// Recovery: from the files of a database to its newest durable state.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "persistence/applier.h"
#include "persistence/storage.h"
#include "persistence/version_store.h"
#include "wal/writer.h"
#include "xtree/metrics.h"
#include "xtree/options.h"
#include "xtree/platform.h"
#include "xtree/result.h"

namespace xtree::persistence {

// An open database below the indexes: its parts, each with the state that recovery found.
struct Recovered {
  std::unique_ptr<Storage> storage;
  std::unique_ptr<VersionStore> store;
  std::unique_ptr<wal::LogWriter> log;
  OpenReport report;
};

// The state is that of the newest checkpoint whose superblock slot is whole, followed by every
// group that the log holds behind it, applied through `applier` like the commits that they once
// were. The log then goes on in a file of its own, under the next generation, so that nothing is
// ever written behind a torn tail. design/recovery.md holds the argument.
Result<Recovered> recover(FileSystem& files, const std::string& directory, const Options& options,
                          Applier& applier);

// The same state for looking at it: nothing is written, and there is no log to go on with.
Result<Recovered> recover_to_look(FileSystem& files, const std::string& directory,
                                  Applier& applier);

// The log's part of a database's directory.
[[nodiscard]] std::string log_directory(const std::string& directory);

}  // namespace xtree::persistence
