"""small_playlists.py N: N playlists of five tracks in six themes, as the table that `tutti import csv` reads, on standard output."""
import random
import sys

THEMES = ["piano", "rock", "jazz", "techno", "folk", "sleep"]

random.seed(1)
print("playlist_id,title,track_id,artist,name")
for playlist in range(int(sys.argv[1])):
    theme = playlist % len(THEMES)
    for track in random.sample(range(theme * 10, theme * 10 + 10), 5):
        print(f"p{playlist},{THEMES[theme]} {playlist % 3},t{track},artist {track // 5},name {track}")
