# SPDX-License-Identifier: ISC
# gnuplot -e "csv='results.csv'; svg='bench.svg'" plot.gp: ratios to libssl, a bar per library.
set terminal svg size 1100,760 font "sans,12" background "white"
set output svg
set datafile separator comma
set style data histogram
set style histogram clustered gap 1.5
set style fill solid 0.85 border -1
set boxwidth 0.9
set grid ytics lc rgb "#cccccc"
set yrange [0:*]
set xtics rotate by -20
set key outside right top
peers = system(sprintf("awk -F, 'NR > 1 && !seen[$2]++ { print $2 }' '%s'", csv))
pick(peer) = sprintf("< awk -F, '$2 == \"%s\" && $1 != \"heap\"' '%s'", peer, csv)
set multiplot layout 2,1 title "TLS 1.3: speed as a ratio to libssl in the same run (higher is better)"
set title "client: handshakes, received records"
plot for [p in peers] pick(p) using 4:xtic(1) title p
set title "server: handshakes, sent records"
plot for [p in peers] pick(p) using 6:xtic(1) title p
unset multiplot
