# Renders the job's summary in Markdown, from the messages about images in $made and the changes in $differences.
include "images";

# Escapes text for Markdown, also in a table.
def text: tostring | gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub("(?<mark>[\\\\`*_{}\\[\\]|#!~])"; "\\\(.mark)") | gsub("[\r\n]+"; " ");
def code: tostring | gsub("[\r\n`|]"; "") | "`\(.)`";

# Three digits and a unit, as our commands print sizes.
def digits: if . < 9.995 then . * 100 | round | "\(. / 100 | floor).\("0\(. % 100)"[-2:])"
    elif . < 99.95 then . * 10 | round | "\(. / 10 | floor).\(. % 10)"
    else round | tostring end;
def bytes: if . < 1000 then "\(.) B"
    elif . < 999500 then "\(. / 1000 | digits) kB"
    elif . < 999500000 then "\(. / 1000000 | digits) MB"
    else "\(. / 1000000000 | digits) GB" end;
def signed: if . > 0 then "+\(bytes)" elif . < 0 then "−\(-. | bytes)" else "±0" end;
def percent: if .old == 0 then "" else (.change / .old * 1000 | round) as $tenths
    | ($tenths | if . < 0 then -. else . end) as $size
    | " (\(if $tenths < 0 then "−" else "+" end)\($size / 10 | floor).\($size % 10) %)" end;

def since($name): first($differences[] | select(.name == $name)) // null;
def row: since(.name) as $since
    | [(.name | text), (.module // {} | (.raw, .optimized, .compressed) | . // 0 | bytes), (.size | bytes),
       (if $since then $since.total | "\(.change | signed)\(percent)" else "" end),
       (.reference // .digest | code)]
    | "| \(join(" | ")) |";
def changes: "\n<details><summary>Changes in \(.name | text) since \(.called | text)</summary>\n\n"
    + "| section | before | now | change |\n|---|--:|--:|--:|\n"
    + (.sections | map("| \(.name | text) | \(.old | bytes) | \(.new | bytes) | \(.change | signed) |\n") | add // "")
    + (if .sections == [] then "| nothing | | | |\n" else "" end)
    + "\n</details>";

"### WebAssembly images\n",
"| program | built | optimized | in the image | whole image | change | image |",
"|---|--:|--:|--:|--:|--:|---|",
($made | main_images[] | row),
($differences[] | changes)
