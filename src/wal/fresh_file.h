// Log files before they are a part of the log: a name, a size, and as many zeros as are wanted.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "xtree/platform.h"

namespace xtree::wal {

// Its header is still that of no file, or of another one.
struct FreshFile {
  std::unique_ptr<File> file;
  std::uint64_t bytes = 0;          // its size
  std::uint64_t written_bytes = 0;  // so much of its front was written, what follows is a hole
};

// A file of the log that is full, or was left before it was.
struct UsedFile {
  std::uint64_t number = 0;         // 0: none
  std::uint64_t written_bytes = 0;  // as FreshFile's
};

// Makes file `number`: of the released file `spare`, which gets its name, or a new one when there
// is none. It is no longer than `most_bytes`, and may be empty.
Result<FreshFile> make_fresh_file(FileSystem& file_system, const std::string& directory,
                                  std::uint64_t number, const UsedFile& spare,
                                  std::uint64_t most_bytes);

// Writes zeros from `written_bytes`, which becomes `goal`, to there.
Result<void> write_zeros(File& file, std::uint64_t& written_bytes, std::uint64_t goal);

// The file in which the log will go on, made ready while the one before it fills, so that no commit
// waits for its zeros. A thread does it, which the first file starts, or else the caller of
// `prepare`.
//
// Calls exclude one another.
class NextFile {
 public:
  enum class Worker : bool { caller, thread };

  // No file is made longer than `most_bytes`, nor left so.
  NextFile(FileSystem& file_system, const std::string& directory, std::uint64_t most_bytes,
           Worker worker) noexcept
      : file_system_(file_system),
        directory_(directory),
        most_bytes_(most_bytes),
        worker_(worker) {}
  // A file that nobody took stays, and the next life of the log removes it.
  ~NextFile();
  NextFile(const NextFile&) = delete;
  NextFile& operator=(const NextFile&) = delete;

  // Begins to make file `number`, of `spare` if there is one, with a size of at least `bytes`, of
  // which so much has been written. Nothing of what fails is told: who takes the file learns that
  // there is none.
  void prepare(std::uint64_t number, const UsedFile& spare, std::uint64_t bytes,
               std::uint64_t written_bytes) noexcept;
  // The number of the file that was asked for and not taken; 0 when there is none.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  // How much of that file was written if it has been made, so that `take` would not have to wait;
  // or else 0.
  [[nodiscard]] std::uint64_t ready_bytes() const noexcept {
    const bool is_ready = state_.load(std::memory_order_acquire) == State::ready;
    return is_ready && made_.has_value() ? made_->written_bytes : 0;
  }
  // The file, its name and what it has of zeros synced: some may be missing when the thread was
  // still at work. Nothing when it could not be made; then its number is not to be used again, or
  // what the system's cache has of it might be believed.
  std::optional<FreshFile> take() noexcept;

 private:
  // The thread's while it is `asked`: it stores `ready` with release. All else is the caller's.
  enum class State : std::uint32_t { idle, asked, ready, ending };

  [[nodiscard]] bool start() noexcept;
  void work() noexcept;
  void run() noexcept;
  void remove(std::uint64_t number) noexcept;
  Result<FreshFile> make();
  void await() noexcept;

  FileSystem& file_system_;
  const std::string& directory_;
  const std::uint64_t most_bytes_;
  const Worker worker_;
  std::uint64_t number_ = 0;
  UsedFile spare_;
  std::uint64_t bytes_ = 0;
  std::uint64_t written_bytes_ = 0;
  std::optional<FreshFile> made_;
  std::atomic<bool> is_awaited_ = false;  // a hint to leave the rest of the zeros away
  std::atomic<State> state_ = State::idle;
  std::thread thread_;
};

}  // namespace xtree::wal
