# Draws out/NETWORK/log.csv of every word in `networks` to out/degradation.png; examples/degradation.sh gives both.
set terminal pngcairo size 1200,560 font "Sans,11"
set output out . "/degradation.png"
set datafile separator ","
set multiplot layout 1,2 title "Plain and residual networks on 4500 drawings, ten classes" font "Sans,14"
set grid lc rgb "#dddddd"
set key spacing 1.2 samplen 4
set border 3 lc rgb "#555555"
set tics nomirror
set xlabel "Iteration (batches of 50 drawings)"
set autoscale xfix

# The mean of a column over the last `window` rows.
window = 5
array last[window]
start(row) = (row == 0 ? sum [i=1:window] (last[i] = 0) : 0)
put(row, y) = (last[row % window + 1] = y)
mean(row, y) = (start(row), put(row, y), (sum [i=1:window] last[i]) / (row + 1 < window ? row + 1 : window))

is_plain(name) = name[1:5] eq "plain"
layers(name) = name[strlen(name) - 1:*]
legend(name) = (is_plain(name) ? "plain, " : "residual, ") . layers(name) . " layers"
colour(name) = is_plain(name) ? 0xc8401c : 0x1c5fc8
thick(name) = layers(name) eq "56" ? 2.5 : 1.5
dash(name) = layers(name) eq "56" ? 1 : 2
csv(name) = out . "/" . name . "/log.csv"

set title "Training loss"
set ylabel "Cross entropy (nats), mean of 5 logged batches"
set yrange [0:4]
set key top right
plot for [n in networks] csv(n) using 1:(mean(int($0), $2)) with lines lc rgb colour(n) lw thick(n) dt dash(n) title legend(n)

set title "Validation accuracy"
set ylabel "Accuracy (%) on 500 drawings"
set yrange [0:100]
set key bottom right
plot for [n in networks] csv(n) using 1:(100 * $5) with lines lc rgb colour(n) lw thick(n) dt dash(n) title legend(n)
unset multiplot
