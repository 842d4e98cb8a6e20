package api

import (
	"slices"
	"strings"

	"thalassa/ui"
)

// unserved stands in for what routes need that nobody calls.
type unserved struct{ Views }

// OwnPaths are the first segments of the paths that the API and the pages have, sorted and
// without slashes. Routes to files and applications must not take them.
func OwnPaths() []string {
	own := []string{"v1", "api"} // of further dialects
	for _, r := range (&nodeDialect{cfg: Config{Views: unserved{}}}).Routes(&Agent{}) {
		own = append(own, firstSegment(r.Path))
	}
	for _, path := range ui.Paths() {
		own = append(own, firstSegment(path))
	}
	slices.Sort(own)
	return slices.DeleteFunc(slices.Compact(own), func(s string) bool { return s == "" })
}

func firstSegment(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first
}
