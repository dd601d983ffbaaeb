// A file system that fails when a test says so.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "xtree/platform.h"

namespace xtree::test {

enum class Call : std::uint8_t {
  open,
  read,
  write,
  sync,
  truncate,
  size,
  lock,
  exists,
  list,
  make_directory,
  remove,
  rename,
  sync_directory,
};
inline constexpr std::size_t kCallKinds = 13;

enum class Failure : std::uint8_t { once, from_then_on };

// Passes calls on to another file system, counts them by kind, and fails the n-th one of a kind
// instead. A write that fails has written the first half of its bytes, as one on a full disk may.
//
//   FaultyFileSystem files(posix_file_system());
//   files.fail(Call::sync, 3, Error(ErrorCode::io_error, 5, "disk", "planted"));
//
// Any thread may call anything. It must outlive the files that it opened.
class FaultyFileSystem final : public FileSystem {
 public:
  explicit FaultyFileSystem(FileSystem& base) noexcept : base_(base) {}

  // Fails the `nth` call of this kind from now on; 1 is the next one.
  void fail(Call kind, std::uint64_t nth, const Error& error, Failure failure = Failure::once);
  // Plans no failure any more, of any kind.
  void heal();
  [[nodiscard]] std::uint64_t count(Call kind) const;

  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override;
  Result<bool> exists(std::string_view path) override;
  Result<std::vector<std::string>> list(std::string_view directory) override;
  Result<void> make_directory(std::string_view path) override;
  Result<void> remove(std::string_view path) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> sync_directory(std::string_view path) override;

 private:
  friend class FaultyFile;

  struct Plan {
    std::uint64_t calls = 0;
    std::uint64_t failing_call = 0;  // 0 means none
    Failure failure = Failure::once;
    std::optional<Error> error;
  };

  // Counts a call, and says whether it fails.
  Result<void> arrive(Call kind);

  FileSystem& base_;
  mutable std::mutex mutex_;
  std::array<Plan, kCallKinds> plans_;
};

}  // namespace xtree::test
