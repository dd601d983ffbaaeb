#include "crash/harmed_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <optional>

#include "support/crashing_disk.h"

namespace xtree::test {
namespace {

using testing::SimulatedFileSystem;

constexpr const char* kDirectory = "db";
constexpr std::uint64_t kBlock = 4096;

Options options_for(SimulatedFileSystem& files) {
  Options options;
  options.file_system = &files;
  options.background_checkpoints = false;
  options.log_file_bytes = 64 << 10;
  return options;
}

bool is_log_file(const std::string& name) { return name.starts_with("wal/") && name.size() > 4; }

// Writes a specimen's history step by step, every one of them synced.
class Writer {
 public:
  Writer(Specimen& specimen, std::uint64_t seed) : specimen_(specimen), random_(seed) {
    states_.resize(kSpecimenLanes);
    open();
    remember();
  }

  void steps(int count, std::uint64_t checkpoints) {
    for (int i = 0; i < count; ++i) {
      const std::uint64_t lane = random_.below(kSpecimenLanes);
      const LaneMix mix{true, checkpoints, 300};
      run(lane, next_step(states_[lane], random_, mix, lane));
    }
  }
  void checkpoint() { run(0, {LaneStep::checkpoint, {}, 0}); }

  // A batch of one insert, whose group is then the last of the log, and not the first of a file.
  void last_batch() {
    DirectoryImage before = files();
    one_insert();
    if (begun_log_files(files()) != begun_log_files(before)) {
      before = files();
      one_insert();
    }
    find_tail(before, files());
  }
  // What a kill at this moment leaves.
  void take_image() { specimen_.image = files(); }
  void close() {
    const auto closed = db_->close();
    EXPECT_TRUE(closed) << closed.error().message();
  }
  // Goes on with the files that a kill at this moment leaves.
  void kill_and_reopen() {
    const testing::DiskImage disk = files_->image();
    lanes_.clear();
    db_.reset();
    files_ = std::make_unique<SimulatedFileSystem>(disk);
    open();
  }

 private:
  void one_insert() {
    LaneStep step{LaneStep::batch, {}, states_[0].number + 1};
    step.operations.push_back({LaneOperation::insert, Target::boxes, {12345, 67890}});
    run(0, step);
  }
  void open() {
    auto db = Database::open(kDirectory, options_for(*files_));
    ASSERT_TRUE(db) << db.error().message();
    db_.emplace(std::move(db).value());
    for (std::uint64_t i = 0; i < kSpecimenLanes; ++i) {
      lanes_.push_back(Lane::open(*db_, i).value());
    }
  }
  void run(std::uint64_t lane, const LaneStep& step) {
    const auto done = lanes_[lane].execute(step);
    ASSERT_TRUE(done) << done.error().message();
    apply_step(states_[lane], step);
    remember();
  }
  [[nodiscard]] DirectoryImage files() const { return directory_of(files_->image(), kDirectory); }
  void remember() { specimen_.history.push_back({states_, begun_log_files(files())}); }

  void find_tail(const DirectoryImage& before, const DirectoryImage& after) {
    for (const std::string& name : begun_log_files(after)) {
      const Bytes& bytes = after.at(name);
      const auto old = before.find(name);
      const bool is_new = old == before.end();
      if (!is_new && old->second == bytes) continue;
      EXPECT_TRUE(specimen_.tail_file.empty()) << "one batch changed two log files";
      EXPECT_FALSE(is_new) << "the last batch should not begin a file";
      if (is_new) continue;
      const auto first = std::mismatch(bytes.begin(), bytes.end(), old->second.begin());
      const auto last = std::mismatch(bytes.rbegin(), bytes.rend(), old->second.rbegin());
      const auto from = static_cast<std::uint64_t>(first.first - bytes.begin());
      const auto to = static_cast<std::uint64_t>(bytes.rend() - last.first);
      specimen_.tail_file = name;
      specimen_.tail_begin = from / kBlock * kBlock;
      specimen_.tail_end = (to + kBlock - 1) / kBlock * kBlock;
    }
    EXPECT_FALSE(specimen_.tail_file.empty());
  }

  Specimen& specimen_;
  Random random_;
  std::unique_ptr<SimulatedFileSystem> files_ = std::make_unique<SimulatedFileSystem>();
  std::optional<Database> db_;
  std::deque<Lane> lanes_;
  LaneStates states_;
};

// One look at the harmed database, or two: closing it must not make harm pass for truth.
class Judge {
 public:
  Judge(const Specimen& specimen, const Harm& harm) : specimen_(specimen), harm_(harm) {
    DirectoryImage image = specimen.image;
    Bytes& bytes = image.at(harm.file);
    switch (harm.kind) {
      case Harm::flip: bytes[harm.offset] ^= std::byte{harm.mask}; break;
      case Harm::truncate: bytes.resize(harm.offset); break;
      case Harm::remove: image.erase(harm.file); break;
    }
    files_.emplace(disk_of(kDirectory, image));
    find_acceptable();
  }

  std::string run() {
    for (int look = 0; look < 2; ++look) {
      const std::string text = look_at_it();
      if (!text.empty() || refused_) return text;
    }
    return {};
  }

 private:
  void find_acceptable() {
    const auto& history = specimen_.history;
    std::size_t first = history.size() - 1;
    const bool in_tail = harm_.kind != Harm::remove && harm_.file == specimen_.tail_file &&
                         harm_.offset < specimen_.tail_end &&
                         (harm_.kind == Harm::truncate || harm_.offset >= specimen_.tail_begin);
    if (in_tail && first != 0) --first;
    const bool gone = harm_.kind == Harm::remove ||
                      (harm_.kind == Harm::truncate && harm_.offset < kBlock);
    const auto& newest = history.back().log_files;
    if (gone && is_log_file(harm_.file) && harm_.file == *newest.rbegin()) {
      while (first != 0 && history[first].log_files.contains(harm_.file)) --first;
    }
    for (std::size_t i = history.size(); i-- > first;) acceptable_.push_back(&history[i].states);
  }

  std::string look_at_it() {
    auto opened = Database::open(kDirectory, options_for(*files_));
    if (!opened) {
      refused_ = true;
      return judge_error(opened.error(), "open");
    }
    Database db = std::move(opened).value();
    std::deque<Lane> lanes;
    for (std::uint64_t i = 0; i < kSpecimenLanes; ++i) {
      auto lane = Lane::open(db, i);
      if (!lane) return judge_error(lane.error(), "open an index");
      lanes.push_back(std::move(lane).value());
    }
    std::string text = compare(lanes);
    if (!text.empty()) return text;
    if (const auto verified = db.verify(); !verified) {
      text = judge_error(verified.error(), "verify");
    }
    if (const auto closed = db.close(); !closed && text.empty()) {
      text = judge_error(closed.error(), "close");
    }
    return text;
  }

  // All lanes must show one and the same acceptable moment, as far as they can be read.
  std::string compare(std::deque<Lane>& lanes) {
    std::string texts;
    for (const LaneStates* states : acceptable_) {
      std::string text;
      for (std::size_t i = 0; i < lanes.size() && text.empty(); ++i) {
        const auto difference = lanes[i].difference((*states)[i]);
        if (!difference) {
          text = judge_error(difference.error(), "read");
        } else if (difference->has_value()) {
          text = "lane " + std::to_string(i) + ": " + **difference;
        }
      }
      if (text.empty()) {
        acceptable_ = {states};  // and no other at the second look
        return {};
      }
      texts += "\n  " + text;
    }
    return "wrong answer:" + texts;
  }

  std::string judge_error(const Error& error, const char* when) const {
    const std::string plain = harm_.file.substr(harm_.file.rfind('/') + 1);
    const bool names_file = std::string(error.place()).find(plain) != std::string::npos;
    if (error.code() == ErrorCode::corruption && names_file) return {};
    return std::string(when) + " failed with " + xtree::to_string(error.code()) + " at " +
           error.place() + ": " + error.message();
  }

  const Specimen& specimen_;
  const Harm& harm_;
  std::optional<SimulatedFileSystem> files_;
  std::vector<const LaneStates*> acceptable_;
  bool refused_ = false;
};

}  // namespace

Specimen make_closed_specimen(std::uint64_t seed) {
  Specimen specimen;
  specimen.name = "closed";
  Writer writer(specimen, seed);
  writer.steps(120, 25);
  writer.close();
  writer.take_image();
  return specimen;
}

Specimen make_killed_specimen(std::uint64_t seed) {
  Specimen specimen;
  specimen.name = "killed";
  Writer writer(specimen, seed);
  writer.steps(80, 25);
  writer.checkpoint();
  writer.steps(40, 0);
  writer.last_batch();
  writer.take_image();
  return specimen;
}

Specimen make_revived_specimen(std::uint64_t seed) {
  Specimen specimen;
  specimen.name = "revived";
  Writer writer(specimen, seed);
  writer.steps(60, 25);
  writer.checkpoint();
  for (int life = 0; life < 4; ++life) {
    writer.steps(14, 0);
    writer.kill_and_reopen();
  }
  writer.steps(10, 0);
  writer.last_batch();
  writer.take_image();
  return specimen;
}

std::string to_string(const Harm& harm) {
  const std::string place = harm.file + " at " + std::to_string(harm.offset);
  switch (harm.kind) {
    case Harm::flip: return "flip of " + std::to_string(harm.mask) + " in " + place;
    case Harm::truncate: return "truncation of " + place;
    case Harm::remove: break;
  }
  return "removal of " + harm.file;
}

std::string judge(const Specimen& specimen, const Harm& harm) {
  return Judge(specimen, harm).run();
}

}  // namespace xtree::test
