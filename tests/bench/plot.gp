# SPDX-License-Identifier: ISC
# gnuplot -e "csv='results.csv'; svg='bench.svg'; where='...'" plot.gp: a bar per library.
set terminal svg size 1200,1500 font "sans,12" background "white"
set output svg
set datafile separator comma
set style data histogram
set style histogram clustered gap 1.5
set style fill solid 0.85 border -1
set boxwidth 0.9
set grid ytics lc rgb "#cccccc"
set yrange [0:*]
set xtics font ",10"
set key outside right top
peers = system(sprintf("awk -F, 'NR > 1 && !seen[$2]++ { print $2 }' '%s'", csv))
libraries = system(sprintf("awk -F, '$1 == \"heap\" { print $2 }' '%s'", csv))
rows(peer, pattern) = sprintf("< awk -F, '$2 == \"%s\" && $1 ~ /%s/' '%s'", peer, pattern, csv)
shakes = "^(hs|re)"
bulk = "^(aes|chacha)"
set multiplot layout 5,1 title where
set ylabel "ratio to libssl"
set title "handshakes, client"
plot for [p in peers] rows(p, shakes) using 4:xtic(1) title p
set title "handshakes, server"
plot for [p in peers] rows(p, shakes) using 6:xtic(1) title p
set title "records, receiving"
plot for [p in peers] rows(p, bulk) using 4:xtic(1) title p
set title "records, sending"
plot for [p in peers] rows(p, bulk) using 6:xtic(1) title p
set title "heap of an idle connection"
set ylabel "KiB"
heap(peer) = sprintf("< awk -F, '$2 == \"%s\" && $1 == \"heap\" { print \"client,\" $3 / 1024; print \"server,\" $5 / 1024 }' '%s'", peer, csv)
plot for [p in libraries] heap(p) using 2:xtic(1) title p
unset multiplot
