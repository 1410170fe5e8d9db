/// Columns for people: left-aligned texts, right-aligned numbers, as wide as their content.
#pragma once

#include <string>
#include <vector>

namespace hotwell::cli {

class Table {
 public:
  enum class Align : std::uint8_t { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  /// Without any title no head line is printed.
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// Precondition: as many cells as columns.
  void add(std::vector<std::string> cells);
  /// Lines with two spaces between columns and none at the end.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace hotwell::cli
