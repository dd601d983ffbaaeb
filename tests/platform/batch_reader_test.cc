#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include "support/child_process.h"
#include "support/random.h"
#include "support/temporary_directory.h"
#include "xtree/platform.h"

namespace xtree::test {
namespace {

std::byte byte_at(std::size_t file, std::uint64_t offset) {
  return static_cast<std::byte>(file * 31 + offset * 7 + offset / 251);
}

// Files whose every byte says where it is.
class Files {
 public:
  static constexpr std::size_t kCount = 5;
  static constexpr std::size_t kBytes = 300'000;

  Files() {
    std::vector<std::byte> bytes(kBytes);
    for (std::size_t i = 0; i < kCount; ++i) {
      for (std::size_t at = 0; at < kBytes; ++at) bytes[at] = byte_at(i, at);
      const std::string path = directory_ / std::to_string(i);
      auto file = posix_file_system().open(path, OpenMode::create).value();
      EXPECT_TRUE(file->write_at(0, bytes));
      files_.push_back(posix_file_system().open(path, OpenMode::read).value());
    }
  }
  File* operator[](std::size_t i) const { return files_[i].get(); }
  [[nodiscard]] std::string directory() const { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
  std::vector<std::unique_ptr<File>> files_;
};

// Some requests, and room for their answers.
class Batch {
 public:
  void add(const Files& files, std::size_t file, std::uint64_t offset, std::size_t bytes) {
    rooms_.emplace_back(bytes, std::byte{0xEE});
    places_.push_back(file);
    requests.push_back({files[file], offset, rooms_.back()});
  }
  static Batch random(const Files& files, std::size_t count, Random& random) {
    Batch batch;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t bytes = random.one_in(10) ? random.below(100'000) : random.below(5000);
      batch.add(files, random.below(Files::kCount), random.below(Files::kBytes - bytes), bytes);
    }
    return batch;
  }
  // How many requests are done; each of them has to have its file's bytes.
  [[nodiscard]] std::size_t done() const {
    std::size_t done = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (!requests[i].done) continue;
      ++done;
      for (std::size_t at = 0; at < rooms_[i].size(); ++at) {
        if (rooms_[i][at] == byte_at(places_[i], requests[i].offset + at)) continue;
        ADD_FAILURE() << "request " << i << " has a wrong byte at " << at;
        break;
      }
    }
    return done;
  }

  std::vector<ReadRequest> requests;

 private:
  std::vector<std::vector<std::byte>> rooms_;
  std::vector<std::size_t> places_;
};

// Whether a batch of random requests comes back complete and right.
bool reads(BatchReader& reader, const Files& files, std::size_t count, Random& random) {
  Batch batch = Batch::random(files, count, random);
  reader.read(batch.requests);
  return batch.done() == count;
}

enum class Kind : std::uint8_t { by_default, of_the_system };

std::unique_ptr<BatchReader> make_reader(Kind kind) {
  FileSystem& files = posix_file_system();
  return kind == Kind::by_default ? files.FileSystem::batch_reader() : files.batch_reader();
}

class BatchReaderTest : public testing::TestWithParam<Kind> {
 protected:
  Files files_;
  std::unique_ptr<BatchReader> reader_ = make_reader(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Kinds, BatchReaderTest,
                         testing::Values(Kind::by_default, Kind::of_the_system),
                         [](const auto& kind) {
                           return kind.param == Kind::by_default ? "ByDefault" : "OfTheSystem";
                         });

TEST_P(BatchReaderTest, ReadsPiecesOfManyFilesInBatchesOfAnySize) {
  Random random(test_seed("BatchReader"));
  for (const std::size_t count : {0, 1, 2, 3, 63, 64, 65, 128, 200, 1, 2}) {
    EXPECT_TRUE(reads(*reader_, files_, count, random)) << count << " requests";
  }
}

TEST_P(BatchReaderTest, PiecesBehindTheEndOfAFileAreNotDone) {
  Batch batch;
  batch.add(files_, 0, 0, 100);
  batch.add(files_, 1, Files::kBytes - 99, 100);
  batch.add(files_, 2, Files::kBytes, 1);
  batch.add(files_, 2, Files::kBytes * 10, 10'000);
  batch.add(files_, 3, Files::kBytes - 100, 100);
  batch.add(files_, 4, 0, Files::kBytes + 1);
  reader_->read(batch.requests);
  EXPECT_EQ(batch.done(), 2u);
  EXPECT_TRUE(batch.requests[0].done);
  EXPECT_TRUE(batch.requests[4].done);
}

TEST_P(BatchReaderTest, AFileThatCannotBeReadSpoilsNothingElse) {
  const auto unreadable = posix_file_system().open(files_.directory(), OpenMode::read).value();
  Random random(test_seed("BatchReader beside failures"));
  for (const std::size_t count : {1, 2, 70}) {
    Batch batch = Batch::random(files_, count, random);
    batch.requests[count / 2].file = unreadable.get();
    if (batch.requests[count / 2].bytes.empty()) continue;
    batch.requests[count / 2].done = true;
    reader_->read(batch.requests);
    EXPECT_FALSE(batch.requests[count / 2].done);
    EXPECT_EQ(batch.done(), count - 1);
  }
}

// A file that notes what it is told and asked: a piece is announced as its offset, and read as the
// number below zero.
class NotingFile final : public File {
 public:
  void will_read(std::uint64_t offset, std::size_t) noexcept override {
    notes.push_back(static_cast<std::int64_t>(offset));
  }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> bytes) override {
    notes.push_back(-static_cast<std::int64_t>(offset));
    return bytes.size();
  }
  Result<void> write_at(std::uint64_t, std::span<const std::byte>) override { return {}; }
  Result<void> sync() override { return {}; }
  Result<void> truncate(std::uint64_t) override { return {}; }
  Result<std::uint64_t> size() override { return std::uint64_t{0}; }
  Result<void> lock() override { return {}; }

  std::vector<std::int64_t> notes;
};

TEST(BatchReader, ByDefaultAnnouncesPiecesInTurnsBeforeItReadsThem) {
  NotingFile file;
  std::byte room{};
  std::vector<ReadRequest> requests;
  for (std::uint64_t i = 1; i <= 66; ++i) requests.push_back({&file, i, {&room, 1}});
  const auto reader = make_reader(Kind::by_default);
  reader->read(requests);
  std::vector<std::int64_t> expected;
  for (std::int64_t i = 1; i <= 64; ++i) expected.push_back(i);
  for (std::int64_t i = 1; i <= 64; ++i) expected.push_back(-i);
  expected.insert(expected.end(), {65, 66, -65, -66});
  EXPECT_EQ(file.notes, expected);
  file.notes.clear();
  reader->read(std::span(requests).first(1));
  EXPECT_EQ(file.notes, (std::vector<std::int64_t>{-1}));
}

void nothing(int) {}

TEST_P(BatchReaderTest, SignalsDoNotEndABatch) {
  struct sigaction interrupt {};
  interrupt.sa_handler = nothing;  // and not SA_RESTART
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGALRM, &interrupt, &before), 0);
  const itimerval often{{0, 200}, {0, 200}};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);
  Random random(test_seed("BatchReader beside signals"));
  for (int i = 0; i < 300; ++i) EXPECT_TRUE(reads(*reader_, files_, 40, random));
  const itimerval never{};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &never, nullptr), 0);
  ASSERT_EQ(::sigaction(SIGALRM, &before, nullptr), 0);
}

#ifdef XTREE_IO_URING

std::size_t open_rings() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target == "anon_inode:[io_uring]") ++count;
  }
  return count;
}

// Makes a call of the system end so from now on, for this process and its children.
void refuse(unsigned call, unsigned action) {
  std::array<sock_filter, 4> code = {
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, action),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) std::abort();
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) std::abort();
}

// Reads through a ring of the kernel's, or without one where it does not let us have one.
class RingTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto reader = make_reader(Kind::of_the_system);
    Random random(1);
    ASSERT_TRUE(reads(*reader, files_, 2, random));
    if (open_rings() == 0) GTEST_SKIP() << "this kernel gives out no rings";
  }

  // Exit codes of children.
  static constexpr int kRight = 0;
  static constexpr int kWrong = 1;
  static int answer(bool right) { return right ? kRight : kWrong; }

  Files files_;
};

TEST_F(RingTest, IsMadeForTheFirstBatchOfSeveralAndEndsWithItsReader) {
  Random random(test_seed("BatchReader's ring"));
  EXPECT_EQ(open_rings(), 0u);
  auto reader = make_reader(Kind::of_the_system);
  EXPECT_TRUE(reads(*reader, files_, 1, random));
  EXPECT_EQ(open_rings(), 0u);
  EXPECT_TRUE(reads(*reader, files_, 100, random));
  EXPECT_TRUE(reads(*reader, files_, 100, random));
  EXPECT_EQ(open_rings(), 1u);
  reader.reset();
  EXPECT_EQ(open_rings(), 0u);
}

TEST_F(RingTest, IsDoneWithoutWhereTheKernelRefusesIt) {
  for (const int error : {EPERM, ENOSYS, ENOMEM, EMFILE}) {
    ChildProcess child(60, [&](int) {
      refuse(__NR_io_uring_setup, SECCOMP_RET_ERRNO | static_cast<unsigned>(error));
      const auto reader = make_reader(Kind::of_the_system);
      Random random(1);
      const bool right = reads(*reader, files_, 100, random) && reads(*reader, files_, 2, random);
      return answer(right && open_rings() == 0);
    });
    EXPECT_EQ(child.exit_code(), kRight) << std::strerror(error);
  }
}

TEST_F(RingTest, IsGivenUpWhenTheKernelServesItNoMore) {
  for (const int error : {EPERM, EAGAIN, EBADF}) {
    ChildProcess child(60, [&](int) {
      const auto reader = make_reader(Kind::of_the_system);
      Random random(1);
      bool right = reads(*reader, files_, 100, random) && open_rings() == 1;
      refuse(__NR_io_uring_enter, SECCOMP_RET_ERRNO | static_cast<unsigned>(error));
      for (const std::size_t count : {2, 100, 64}) {
        right = right && reads(*reader, files_, count, random) && open_rings() == 0;
      }
      return answer(right);
    });
    EXPECT_EQ(child.exit_code(), kRight) << std::strerror(error);
  }
}

TEST_F(RingTest, IsLeftAloneByAForkedChild) {
  Random random(test_seed("BatchReader's fork"));
  const auto reader = make_reader(Kind::of_the_system);
  ASSERT_TRUE(reads(*reader, files_, 100, random));
  ChildProcess child(60, [&](int) {
    refuse(__NR_io_uring_enter, SECCOMP_RET_KILL_PROCESS);
    return answer(reads(*reader, files_, 100, random));
  });
  EXPECT_EQ(child.exit_code(), kRight);
  EXPECT_EQ(open_rings(), 1u);
  EXPECT_TRUE(reads(*reader, files_, 100, random));
}

TEST_F(RingTest, NeverTakesTheNumberOfAStandardStream) {
  ChildProcess child(60, [&](int) {
    if (::close(STDIN_FILENO) != 0) return kWrong;
    const auto reader = make_reader(Kind::of_the_system);
    Random random(1);
    const bool right = reads(*reader, files_, 100, random);
    return answer(right && ::fcntl(STDIN_FILENO, F_GETFD) < 0);
  });
  EXPECT_EQ(child.exit_code(), kRight);
}

#endif  // XTREE_IO_URING

}  // namespace
}  // namespace xtree::test
