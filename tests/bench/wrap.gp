# SPDX-License-Identifier: ISC
# gnuplot -e "csv='wrap.csv'; svg='wrap.svg'" wrap.gp: what wrapping costs, a bar per way.
set terminal svg size 1100,760 font "sans,12" background "white"
set output svg
set datafile separator comma
set style data histogram
set style histogram clustered gap 1.5
set style fill solid 0.85 border -1
set boxwidth 0.9
set grid ytics lc rgb "#cccccc"
set yrange [0:*]
set key outside right top
names(part) = system(sprintf("awk -F, '$1 ~ /^(%s)$/ && !seen[$2]++ { gsub(\" \", \"_\", $2); print $2 }' '%s'", part, csv))
pick(part, who) = sprintf("< awk -F, -v OFS=, '{ gsub(\" \", \"_\", $2) } $2 == \"%s\" && $3 ~ /^(%s)$/' '%s'", who, part, csv)
load_ = "bulk|ping|conn|resumed"
set multiplot layout 2,1 title "What wrapping costs, beside the same in the same run (lower is better)"
set title "CPU time of all processes, as a ratio to plain TCP"
plot for [w in names(load_)] pick("(bulk|ping|conn|resumed).cpu", w) using 5:xtic(3) title w noenhanced
set title "starting a program, and a call, as a ratio to an empty preload library"
set xtics rotate by -20
plot for [w in "none empty no-conf file directory rules wrapped"] pick("start.cpu|call.*", w) using 5:xtic(3) title w noenhanced
unset multiplot
