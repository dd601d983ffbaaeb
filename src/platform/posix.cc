// The operating system's files behind the seam of xtree/platform.h.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "xtree/platform.h"

namespace xtree {

File::~File() = default;
void File::will_read(std::uint64_t, std::size_t) noexcept {}
Result<void> File::write_back(std::uint64_t, std::size_t) { return {}; }
Result<void> File::start_write_back(std::uint64_t, std::size_t) { return {}; }
bool File::takes_durable_writes() noexcept { return false; }
Result<void> File::write_durably(std::uint64_t offset, std::span<const std::byte> bytes) {
  Result<void> written = write_at(offset, bytes);
  return written ? sync() : written;
}
Result<void> File::store_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  return write_at(offset, bytes);
}
FileSystem::~FileSystem() = default;

namespace {

// What a call was to do decides what a refusal means.
enum class Intent : std::uint8_t { read, write };

Error system_error(int error, const std::string& path, const char* text, Intent intent) noexcept {
  ErrorCode code = ErrorCode::io_error;
  switch (error) {
    case ENOENT:
      code = ErrorCode::not_found;
      break;
    case ENOSPC:
    case EDQUOT:
      code = ErrorCode::no_space;
      break;
    case EROFS:
    case EACCES:
    case EPERM:
      if (intent == Intent::write) code = ErrorCode::read_only;
      break;
    default:
      break;
  }
  return {code, error, path.c_str(), text};
}

// Repeats a system call that a signal interrupted before it did anything.
template <class Call>
auto uninterrupted(Call call) noexcept {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    // Nothing is lost with the result: what matters has been synced, and even a close that was
    // interrupted has let go of the descriptor.
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int get() const noexcept { return number_; }

 private:
  int number_;
};

// A path as the system wants it. A zero byte would silently name another file.
Result<std::string> checked(std::string_view path) {
  std::string copy(path);
  if (copy.empty() || copy.find('\0') != std::string::npos) {
    return Error(ErrorCode::invalid_argument, copy.c_str(), "not a path");
  }
  return copy;
}

// Opens above the standard streams: a program that closed them would otherwise print into a file
// of the database.
Result<Descriptor> open_descriptor(const std::string& path, int flags, Intent intent) {
  constexpr int kFirstFree = 3;
  Descriptor opened(
      uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, 0644); }));
  if (opened.get() < 0) return system_error(errno, path, "cannot open", intent);
  if (opened.get() >= kFirstFree) return opened;
  Descriptor higher(::fcntl(opened.get(), F_DUPFD_CLOEXEC, kFirstFree));
  if (higher.get() < 0) return system_error(errno, path, "cannot open", intent);
  return higher;
}

// Returns what went wrong, or 0.
int write_all(int file, std::uint64_t offset, std::span<const std::byte> bytes) noexcept {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto count = uninterrupted([&] {
      return ::pwrite(file, bytes.data() + done, bytes.size() - done,
                      static_cast<off_t>(offset + done));
    });
    if (count < 0) return errno;
    // A write that makes no progress would go on for ever.
    if (count == 0) return EIO;
    done += static_cast<std::size_t>(count);
  }
  return 0;
}

bool is_same_file(int a, int b) noexcept {
  struct stat first {};
  struct stat second {};
  return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

// Word by word, which is how the bytes have just been put together: a load that is wider than the
// stores before it would wait until they, and all that was stored before them, are in the cache.
void copy_words(std::byte* to, const std::byte* from, std::size_t count) noexcept {
  using Word = std::uint64_t;
  if (reinterpret_cast<std::uintptr_t>(to) % sizeof(Word) == 0) {
    for (; count >= sizeof(Word); count -= sizeof(Word), to += sizeof(Word), from += sizeof(Word)) {
      Word word;
      std::memcpy(&word, from, sizeof word);
      // Atomic only so that the compiler does not make wide copies of these.
      std::atomic_ref(*reinterpret_cast<Word*>(to)).store(word, std::memory_order_relaxed);
    }
  }
  if (count != 0) std::memcpy(to, from, count);
}

// A part of a file that is mapped into memory. What is stored there is in the system's cache at
// once, like what was written: it survives the process, and `fdatasync` makes it durable.
class SharedWindow {
 public:
  static constexpr std::uint64_t kBytes = std::uint64_t{1} << 20;

  SharedWindow() = default;
  SharedWindow(const SharedWindow&) = delete;
  SharedWindow& operator=(const SharedWindow&) = delete;
  ~SharedWindow() { unmap(); }

  void unmap() noexcept {
    if (memory_ != nullptr) ::munmap(memory_, kBytes);
    memory_ = nullptr;
  }
  // Copies bytes into the file; false when they lie in two windows, or the file cannot be mapped.
  bool store(int file, std::uint64_t offset, std::span<const std::byte> bytes) noexcept {
    const std::uint64_t begin = offset / kBytes * kBytes;
    if (offset + bytes.size() > begin + kBytes) return false;
    if (memory_ == nullptr || begin != begin_) {
      unmap();
      void* mapped = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file,
                            static_cast<off_t>(begin));
      if (mapped == MAP_FAILED) return false;
      memory_ = static_cast<std::byte*>(mapped);
      begin_ = begin;
    }
    copy_words(memory_ + (offset - begin), bytes.data(), bytes.size());
    return true;
  }

 private:
  std::byte* memory_ = nullptr;
  std::uint64_t begin_ = 0;
};

class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path) noexcept
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> bytes) override {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const auto count = uninterrupted([&] {
        return ::pread(descriptor_.get(), bytes.data() + done, bytes.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (count < 0) return system_error(errno, path_, "cannot read", Intent::read);
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

  // A hint that the system does not take costs nothing but the call.
  void will_read(std::uint64_t offset, std::size_t bytes) noexcept override {
    ::posix_fadvise(descriptor_.get(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                    POSIX_FADV_WILLNEED);
  }

  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    const int error = write_all(descriptor_.get(), offset, bytes);
    if (error != 0) return system_error(error, path_, "cannot write", Intent::write);
    return {};
  }

  // A store into mapped memory has no way to fail but by a signal, for a page that cannot be
  // brought in or made ready to be written. Who calls this has just written the page by a call that
  // could fail: it is in the cache and has its blocks on the disk.
  Result<void> store_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (bytes.empty() || window_.store(descriptor_.get(), offset, bytes)) return {};
    return write_at(offset, bytes);
  }

  // The system tells of a failed write once for each open file, so what is not passed on here would
  // be lost. Where there is no such call, or none for this file system, the sync does it all.
  Result<void> write_back(std::uint64_t offset, std::size_t bytes) override {
#ifdef SYNC_FILE_RANGE_WRITE
    return sync_range(offset, bytes,
                      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                          SYNC_FILE_RANGE_WAIT_AFTER);
#else
    return File::write_back(offset, bytes);
#endif
  }
  Result<void> start_write_back(std::uint64_t offset, std::size_t bytes) override {
#ifdef SYNC_FILE_RANGE_WRITE
    return sync_range(offset, bytes, SYNC_FILE_RANGE_WRITE);
#else
    return File::start_write_back(offset, bytes);
#endif
  }

  Result<void> sync() override {
    if (uninterrupted([&] { return ::fdatasync(descriptor_.get()); }) != 0) {
      return system_error(errno, path_, "cannot sync", Intent::write);
    }
    return {};
  }

  bool takes_durable_writes() noexcept override {
    if (!durable_ && !is_durable_refused_.load(std::memory_order_relaxed)) open_durable();
    return !is_durable_refused_.load(std::memory_order_relaxed);
  }

  // Past the system's cache, so that a write is told of its own failure, waits for no other one's
  // pages, and needs one call. A file system may open a file so and still refuse a write.
  Result<void> write_durably(std::uint64_t offset, std::span<const std::byte> bytes) override {
    int error = EINVAL;
    if (durable_) error = write_all(durable_->get(), offset, bytes);
    if (error == EINVAL) {
      is_durable_refused_.store(true, std::memory_order_relaxed);
      // Of two syncs at a time the system might tell only one that something is lost.
      const std::lock_guard lock(refused_write_);
      return File::write_durably(offset, bytes);
    }
    if (error != 0) return system_error(error, path_, "cannot write", Intent::write);
    return {};
  }

  Result<void> truncate(std::uint64_t bytes) override {
    const auto size = static_cast<off_t>(bytes);
    if (uninterrupted([&] { return ::ftruncate(descriptor_.get(), size); }) != 0) {
      return system_error(errno, path_, "cannot truncate", Intent::write);
    }
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat status {};
    if (::fstat(descriptor_.get(), &status) != 0) {
      return system_error(errno, path_, "cannot read the size", Intent::read);
    }
    return static_cast<std::uint64_t>(status.st_size);
  }

  // flock and not fcntl: a lock of the latter kind would be granted twice within one process.
  Result<void> lock() override {
    if (uninterrupted([&] { return ::flock(descriptor_.get(), LOCK_EX | LOCK_NB); }) == 0) {
      return {};
    }
    if (errno == EWOULDBLOCK) {
      return Error(ErrorCode::locked, path_.c_str(), "another database object has it open");
    }
    return system_error(errno, path_, "cannot lock", Intent::read);
  }

 private:
  // Opens the file a second time. Its path may lead elsewhere by now: that is looked at.
  void open_durable() noexcept {
#ifdef O_DIRECT
    auto opened = open_descriptor(path_, O_RDWR | O_DIRECT | O_DSYNC, Intent::write);
    if (opened && is_same_file(opened->get(), descriptor_.get())) {
      durable_.emplace(*std::move(opened));
      return;
    }
#endif
    is_durable_refused_.store(true, std::memory_order_relaxed);
  }

#ifdef SYNC_FILE_RANGE_WRITE
  Result<void> sync_range(std::uint64_t offset, std::size_t bytes, unsigned how) {
    const auto done = uninterrupted([&] {
      return ::sync_file_range(descriptor_.get(), static_cast<off64_t>(offset),
                               static_cast<off64_t>(bytes), how);
    });
    if (done == 0 || errno == ENOSYS || errno == EINVAL || errno == ESPIPE || errno == EPERM) {
      return {};
    }
    return system_error(errno, path_, "cannot write back", Intent::write);
  }
#endif

  Descriptor descriptor_;
  std::string path_;
  SharedWindow window_;
  std::optional<Descriptor> durable_;  // for durable writes
  std::atomic<bool> is_durable_refused_ = false;
  std::mutex refused_write_;
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override {
    auto name = checked(path);
    if (!name) return name.error();
    int flags = O_RDONLY;
    if (mode != OpenMode::read) flags = O_RDWR;
    if (mode == OpenMode::create) flags |= O_CREAT;
    auto opened =
        open_descriptor(*name, flags, mode == OpenMode::read ? Intent::read : Intent::write);
    if (!opened) return opened.error();
    return std::unique_ptr<File>(std::make_unique<PosixFile>(*std::move(opened), *std::move(name)));
  }

  Result<bool> exists(std::string_view path) override {
    auto name = checked(path);
    if (!name) return name.error();
    struct stat status {};
    if (::stat(name->c_str(), &status) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return system_error(errno, *name, "cannot look up", Intent::read);
  }

  Result<std::vector<std::string>> list(std::string_view directory) override {
    auto name = checked(directory);
    if (!name) return name.error();
    const std::unique_ptr<DIR, Closer> stream(::opendir(name->c_str()));
    if (stream == nullptr) return system_error(errno, *name, "cannot list", Intent::read);
    std::vector<std::string> names;
    for (;;) {
      // The end and a failure look alike but for errno.
      errno = 0;
      const dirent* entry = ::readdir(stream.get());
      if (entry == nullptr) break;
      const std::string_view found = entry->d_name;
      if (found != "." && found != "..") names.emplace_back(found);
    }
    if (errno != 0) return system_error(errno, *name, "cannot list", Intent::read);
    return names;
  }

  Result<void> make_directory(std::string_view path) override {
    auto name = checked(path);
    if (!name) return name.error();
    if (::mkdir(name->c_str(), 0755) == 0) return {};
    const int error = errno;
    struct stat status {};
    if (error == EEXIST && ::stat(name->c_str(), &status) == 0) {
      if (S_ISDIR(status.st_mode)) return {};
      return Error(ErrorCode::already_exists, name->c_str(), "not a directory");
    }
    return system_error(error, *name, "cannot make the directory", Intent::write);
  }

  Result<void> remove(std::string_view path) override {
    auto name = checked(path);
    if (!name) return name.error();
    if (::unlink(name->c_str()) == 0) return {};
    return system_error(errno, *name, "cannot remove", Intent::write);
  }

  Result<void> rename(std::string_view from, std::string_view to) override {
    auto source = checked(from);
    if (!source) return source.error();
    auto target = checked(to);
    if (!target) return target.error();
    if (::rename(source->c_str(), target->c_str()) == 0) return {};
    return system_error(errno, *source, "cannot rename", Intent::write);
  }

  Result<void> sync_directory(std::string_view path) override {
    auto name = checked(path);
    if (!name) return name.error();
    auto opened = open_descriptor(*name, O_RDONLY | O_DIRECTORY, Intent::read);
    if (!opened) return opened.error();
    if (uninterrupted([&] { return ::fsync(opened->get()); }) == 0) return {};
    return system_error(errno, *name, "cannot sync the directory", Intent::write);
  }

 private:
  struct Closer {
    void operator()(DIR* stream) const noexcept { ::closedir(stream); }
  };
};

}  // namespace

FileSystem& posix_file_system() noexcept {
  // Never destroyed: databases may be closed by destructors that run after those of this file.
  alignas(PosixFileSystem) static std::byte storage[sizeof(PosixFileSystem)];
  static FileSystem& instance = *::new (static_cast<void*>(storage)) PosixFileSystem;
  return instance;
}

}  // namespace xtree
