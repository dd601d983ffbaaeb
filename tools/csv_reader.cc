#include "csv_reader.h"

#include <csv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace xtree::tool {
namespace {

// No honest record is longer; a quote that is never closed would otherwise swallow the whole file.
constexpr std::size_t kMaxRecordBytes = std::size_t{1} << 20;
constexpr std::size_t kBufferBytes = std::size_t{64} << 10;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// The standard input is not ours to close.
struct CloseFile {
  void operator()(std::FILE* file) const noexcept {
    if (file != stdin) std::fclose(file);
  }
};

bool is_blank(std::string_view text) noexcept {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

Error bad_line(const std::string& file, std::uint64_t line, const std::string& text) {
  const std::string place = file + ":" + std::to_string(line);
  return Error(ErrorCode::invalid_argument, place.c_str(), text.c_str());
}

struct CsvReader::State {
  std::string name;
  std::unique_ptr<std::FILE, CloseFile> file;
  std::uint64_t total = 0;
  std::uint64_t read = 0;

  std::vector<char> buffer = std::vector<char>(kBufferBytes);
  std::size_t at = 0;  // what is between `at` and `end` of the buffer has yet to be parsed
  std::size_t end = 0;
  std::uint64_t line = 1;
  bool after_return = false;  // a line feed that follows belongs to the carriage return before it

  csv_parser parser{};
  bool open = false;      // a record has begun and not ended
  bool complete = false;  // a record has ended and was not fetched
  bool skipping = false;  // what is left of this line belongs to a bad record
  std::uint64_t record_line = 0;
  std::size_t record_bytes = 0;
  std::string text;               // its fields, one behind the other
  std::vector<std::size_t> ends;  // where in `text` each field ends

  State() { start_parser(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { csv_free(&parser); }

  void start_parser() noexcept { csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI); }
  void restart_parser() noexcept {
    csv_free(&parser);
    start_parser();
    open = false;
  }

  static void on_field(void* field, std::size_t bytes, void* self) {
    auto& state = *static_cast<State*>(self);
    if (bytes != 0) state.text.append(static_cast<const char*>(field), bytes);
    state.ends.push_back(state.text.size());
  }
  static void on_record(int, void* self) {
    auto& state = *static_cast<State*>(self);
    state.open = false;
    state.complete = true;
  }

  // The text up to the next line end, that included, or all there is.
  [[nodiscard]] std::string_view piece() const noexcept {
    const std::string_view rest(buffer.data() + at, end - at);
    const std::size_t stop = rest.find_first_of("\r\n");
    return rest.substr(0, stop == std::string_view::npos ? rest.size() : stop + 1);
  }

  void count_lines(std::string_view text_piece) noexcept {
    const char last = text_piece.back();
    const bool tail_of_pair = after_return && text_piece == "\n";
    if (last == '\r' || (last == '\n' && !tail_of_pair)) ++line;
    after_return = last == '\r';
  }

  Result<bool> fill();
  Result<void> parse_piece();
  Result<void> finish();
};

// False at the end of the file.
Result<bool> CsvReader::State::fill() {
  at = 0;
  end = 0;
  // Not `fread`, which waits until a pipe has filled the buffer.
  ssize_t got = 0;
  do {
    got = ::read(fileno(file.get()), buffer.data(), buffer.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) return Error(ErrorCode::io_error, errno, name.c_str(), "cannot read");
  end = static_cast<std::size_t>(got);
  if (read == 0 && std::string_view(buffer.data(), end).starts_with(kByteOrderMark)) {
    at = kByteOrderMark.size();
  }
  read += end;
  return end != 0;
}

Result<void> CsvReader::State::parse_piece() {
  const std::string_view bytes = piece();
  at += bytes.size();
  const std::uint64_t here = line;
  const bool ends_line = bytes.ends_with('\n') || bytes.ends_with('\r');
  count_lines(bytes);
  if (skipping) {
    skipping = !ends_line;
    return {};
  }
  if (!open) {
    if (is_blank(bytes)) return {};
    open = true;
    record_line = here;
    record_bytes = 0;
    text.clear();
    ends.clear();
  }
  record_bytes += bytes.size();
  const std::size_t parsed =
      csv_parse(&parser, bytes.data(), bytes.size(), on_field, on_record, this);
  if (parsed == bytes.size() && record_bytes <= kMaxRecordBytes) return {};
  const bool no_memory = parsed != bytes.size() && csv_error(&parser) == CSV_ENOMEM;
  skipping = !ends_line;
  complete = false;
  restart_parser();
  if (no_memory) return Error(ErrorCode::out_of_memory, name.c_str(), "no memory for a record");
  return bad_line(name, record_line,
                  record_bytes > kMaxRecordBytes
                      ? "the record is longer than 1 MiB; a closing quote may be missing"
                      : "a quote stands where none may be; quote the whole field and double "
                        "the quotes in it");
}

// The last record may end without a line end.
Result<void> CsvReader::State::finish() {
  if (!open) return {};
  const bool good = csv_fini(&parser, on_field, on_record, this) == 0;
  open = false;
  if (!good) {
    restart_parser();
    return bad_line(name, record_line, "the file ends within a quoted field: a quote is missing");
  }
  return {};
}

CsvReader::CsvReader(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
CsvReader::CsvReader(CsvReader&&) noexcept = default;
CsvReader::~CsvReader() = default;

Result<CsvReader> CsvReader::open(const std::string& path) {
  auto state = std::make_unique<State>();
  const bool standard_input = path == "-";
  state->name = standard_input ? "standard input" : path;
  state->file.reset(standard_input ? stdin : std::fopen(path.c_str(), "rb"));
  if (state->file == nullptr) {
    return Error(errno == ENOENT ? ErrorCode::not_found : ErrorCode::io_error, errno, path.c_str(),
                 "cannot open the file");
  }
  struct stat status {};
  if (fstat(fileno(state->file.get()), &status) == 0) {
    if (S_ISDIR(status.st_mode)) {
      return Error(ErrorCode::invalid_argument, path.c_str(),
                   "this is a directory, not a CSV file");
    }
    if (S_ISREG(status.st_mode)) state->total = static_cast<std::uint64_t>(status.st_size);
  }
  return CsvReader(std::move(state));
}

Result<bool> CsvReader::read_record(CsvRecord& record) {
  State& state = *state_;
  state.complete = false;
  while (!state.complete) {
    if (state.at == state.end) {
      auto more = state.fill();
      if (!more) return more.error();
      if (!*more) {
        if (auto done = state.finish(); !done) return done.error();
        if (!state.complete) return false;
        break;
      }
      continue;
    }
    if (auto done = state.parse_piece(); !done) return done.error();
  }
  record.line = state.record_line;
  record.fields.clear();
  std::size_t begin = 0;
  for (const std::size_t field_end : state.ends) {
    record.fields.push_back(std::string_view(state.text).substr(begin, field_end - begin));
    begin = field_end;
  }
  return true;
}

const std::string& CsvReader::name() const noexcept { return state_->name; }
std::uint64_t CsvReader::bytes_read() const noexcept { return state_->read; }
std::uint64_t CsvReader::bytes_total() const noexcept { return state_->total; }

}  // namespace xtree::tool
