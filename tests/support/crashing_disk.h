// A simulated disk whose power fails, and simulated disks as directories of files and back.
#pragma once

#include <cstddef>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "support/random.h"
#include "support/temporary_directory.h"
#include "xtree/testing/crash_model.h"
#include "xtree/testing/disk_image.h"
#include "xtree/testing/simulated_file_system.h"

namespace xtree::test {

// Of the changes that were on their way to a disk: none, all, or any of them, torn in any way.
[[nodiscard]] std::vector<testing::Fate> random_fates(std::span<const testing::Unit> units,
                                                      Random& random);

// What `before` has become when these things were done to it and then the power failed. Its files
// are numbered from 0 on, as the numbers of all that ever were would add up.
[[nodiscard]] testing::DiskImage lose_power(const testing::DiskImage& before,
                                            const testing::Trace& trace, Random& random);

class CrashingDisk {
 public:
  CrashingDisk() { start(); }

  // The files until the next crash; nothing may use them behind it.
  [[nodiscard]] testing::SimulatedFileSystem& files() { return *files_; }
  // The power goes, as far as it has not gone yet, and comes back.
  void crash(Random& random);

 private:
  void start();

  testing::DiskImage image_;  // at the last crash
  testing::Trace trace_;      // since then
  std::unique_ptr<testing::SimulatedFileSystem> files_;
};

// A disk with one directory, which holds these files; and the files below a directory.
[[nodiscard]] testing::DiskImage disk_of(const std::string& directory, const DirectoryImage& files);
[[nodiscard]] DirectoryImage directory_of(const testing::DiskImage& disk,
                                          const std::string& directory);

// The log files of a database's directory that the log has come to: those whose headers say so. One
// that was made ready ahead of its use is not among them.
[[nodiscard]] std::set<std::string> begun_log_files(const DirectoryImage& image);

// A file's bytes, to be looked at and to be damaged behind everybody's back.
[[nodiscard]] Bytes read_file(FileSystem& files, const std::string& path);
void write_file(FileSystem& files, const std::string& path, std::span<const std::byte> bytes);
void cut_file(FileSystem& files, const std::string& path, std::uint64_t bytes);
void flip(FileSystem& files, const std::string& path, std::uint64_t offset,
          std::byte bits = std::byte{1});
// The files below the directory and in its directories, in the order of their paths.
[[nodiscard]] std::vector<std::string> all_files(const testing::SimulatedFileSystem& files);

}  // namespace xtree::test
