# SPDX-License-Identifier: ISC
# gnuplot -e "csv='wrap.csv'; svg='wrap.svg'" wrap.gp: what wrapping costs, a bar per way.
set terminal svg size 1100,1100 font "sans,12" background "white"
set output svg
set datafile separator comma
set style data histogram
set style histogram clustered gap 1.5
set style fill solid 0.85 border -1
set boxwidth 0.9
set grid ytics lc rgb "#cccccc"
set key outside right top noenhanced
underline = "{ gsub(\" \", \"_\", $2) }"
names(part) = system(sprintf("awk -F, '%s $1 == \"%s\" && !seen[$2]++ { print $2 }' '%s'", underline, part, csv))
pick(parts, who) = sprintf("< awk -F, -v OFS=, '%s $1 ~ /^(%s)$/ && $2 ~ /^(%s)$/' '%s'", underline, parts, who, csv)
set multiplot layout 3,1 title "What wrapping costs, beside the same in the same run (lower is better)"
set title "CPU time of all processes, as a ratio to plain TCP"
set logscale y 2
set yrange [0.5:*]
plot for [w in names("bulk")] pick("bulk|ping|conn|resumed", w)." | grep '[.]cpu'" using 5:xtic(3) title w
unset logscale y
set yrange [0:*]
set title "a call, as a ratio to the same with an empty preload library"
plot for [w in names("call")] pick("call", w) using 5:xtic(3) title w
set title "starting a program, as a ratio to the same with an empty preload library"
set yrange [0.9:1.1]
plot pick("start", "none|empty|no-conf|file|directory|rules")." | grep '[.]cpu'" using 5:xtic(2) title "CPU time"
unset multiplot
