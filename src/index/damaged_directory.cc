#include "index/damaged_directory.h"

#include "persistence/committed_file.h"
#include "platform/check.h"

namespace xtree::index {

Result<std::unique_ptr<File>> lock_to_look(FileSystem& files, const std::string& directory) {
  if (directory.empty()) {
    return Error(ErrorCode::invalid_argument, "directory", "it has no name");
  }
  const auto there = files.exists(directory);
  if (!there) return there.error();
  if (!*there) return Error(ErrorCode::not_found, directory.c_str(), "there is no such directory");
  bool is_ours = false;
  for (const char* part : {"/superblock", "/segments", "/table", "/wal"}) {
    const auto has = files.exists(directory + part);
    if (!has) return has.error();
    is_ours = is_ours || *has;
  }
  if (!is_ours) {
    return Error(ErrorCode::not_a_database, directory.c_str(), "nothing in it is of a database");
  }
  auto lock = files.open(directory + "/LOCK", OpenMode::read);
  if (!lock && lock.error().code() == ErrorCode::not_found) return std::unique_ptr<File>();
  if (!lock) return lock.error();
  XTREE_TRY((*lock)->lock());
  return lock;
}

void add_log_faults(const wal::LogSurvey& log, persistence::FaultList& faults) {
  for (const wal::LogFault& fault : log.faults) {
    if (fault.is_certain) {
      faults.fault(fault.path, fault.offset, fault.text);
    } else {
      faults.doubt(fault.path, fault.offset, fault.text);
    }
  }
}

}  // namespace xtree::index
