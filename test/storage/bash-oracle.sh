#!/usr/bin/env bash
# Writes bash-oracle.json: what bash makes of each pattern in a tree of these files (regular files only, sorted, each once).
# Run it by hand when the lists below change:  bash test/storage/bash-oracle.sh > test/storage/bash-oracle.json
set -eu
export LC_ALL=C.UTF-8
shopt -s globstar nullglob

files=(
  a.bin b.bin ab.bin B.bin a.txt .hidden .hidden.bin 'a b.bin' 'a[1].bin' 'a1.bin' 'star*.bin' 'quest?.bin' 'brace{x}.bin' 'comma,x.bin' 'é.bin' '😀.bin'
  train-000.rec train-001.rec train-002.rec train-010.rec train-031.rec train-1.rec valid-000.rec
  x/a.bin x/b.bin x/y/a.bin x/y/z/a.bin x/y/z/c.txt x/.git/a.bin x-1/a.bin x.d/a.bin xx/a.bin w/x/a.bin 'per%20cent/a.bin'
)
globs=(
  '*.bin' '?.bin' '??.bin' '[ab].bin' '[!a].bin' '[^a].bin' '[a-c]*.bin' '[]a].bin' '[a' 'a[[]1].bin' 'a[1].bin' 'a\[1\].bin' 'star\*.bin' 'quest\?.bin'
  'brace\{x\}.bin' 'brace{x}.bin*' '*,*' '.*' '.h*.bin' '*' '*/*' '*/*.bin' 'x*/a.bin' 'x/*/a.bin' '**/a.bin' 'x/**' 'x/**/a.bin' '**/y/**/*.txt' '**' '**/*' '**/x/a.bin'
  'x/**/z/**/a.bin' '*/.git/*' '**/.git/*' 'train-{000..031}.re*' 'train-0[0-3]?.rec' 'train-{000..002..2}*' '{train,valid}-000.re?' '{x,w}/**/a.bin' '*.{bin,txt}'
  'x{,/y{,/z}}/*.bin' 'x**a.bin' 'x/y*/**/a.bin' './*.txt' './x/*.bin' 'x//*.bin' '[a-z][0-9].bin' '[\]a].bin' '[!.]*.txt' 'per%20cent/*' '*é*' '[é😀].bin' '?.b?n'
)
braces=(
  '{a,b}' 'x{1..3}y' '{000..003}' '{01..3}' '{3..1}' '{0..10..5}' '{10..0..-5}' '{-2..2}' '{-01..3}' '{a..e}' '{e..a..2}' '{a,b{1..2},c}' '{{a,b},{c,d}}' '{a}' '{}' 'a{b,c'
  'a}b,c{' '{a,b}}' '{{a,b}' '{,a}' '{a,}' 'p{a,b}q{c,d}r' 'a{b{c,d}}e' '{1..a}' '{1.5..2}' '{a,{b}' '\{a,b\}' '{a\,b,c}' '{a,b\}}' '{a b,c}' '{1..3}{a,b}' '{00..1}{x,y{0..1}}'
)

json() { local s=${1//\\/\\\\}; printf '"%s"' "${s//\"/\\\"}"; }
list() { local first=1; printf '['; for item in "$@"; do ((first)) || printf ', '; first=0; json "$item"; done; printf ']'; }

tree=$(mktemp -d); trap 'rm -rf "$tree"' EXIT
cd "$tree"
for file in "${files[@]}"; do mkdir -p "$(dirname "$file")"; : > "$file"; done

printf '{\n  "bash": '; json "$BASH_VERSION"; printf ',\n  "files": '; list "${files[@]}"; printf ',\n  "globs": {'
comma=''
for pattern in "${globs[@]}"; do
  eval "set -- ${pattern// /\\ }"
  matches=()
  for match in "$@"; do [ -f "$match" ] && matches+=("$match"); done
  if ((${#matches[@]})); then mapfile -d '' -t matches < <(printf '%s\0' "${matches[@]}" | LC_ALL=C sort -zu); fi
  printf '%s\n    ' "$comma"; comma=','; json "$pattern"; printf ': '; list "${matches[@]}"
done
printf '\n  },\n  "braces": {'
comma=''
for pattern in "${braces[@]}"; do
  set -f; eval "set -- ${pattern// /\\ }"; set +f
  printf '%s\n    ' "$comma"; comma=','; json "$pattern"; printf ': '; list "$@"
done
printf '\n  }\n}\n'
