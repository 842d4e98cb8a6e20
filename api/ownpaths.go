package api

import (
	"slices"
	"strings"

	"thalassa/ui"
)

// unserved replaces the parts of the server if only the list of routes is needed.
type unserved struct{ Views }

// OwnPaths are the first segments of the paths that the API and the pages have, sorted and
// without slashes. Routes to files and applications must not use them.
func OwnPaths() []string {
	paths := append(ui.Paths(), "/v1", "/api") // of further dialects
	for _, r := range (&nodeDialect{cfg: Config{Views: unserved{}}}).Routes(&Agent{}) {
		paths = append(paths, r.Path)
	}
	for i, path := range paths {
		paths[i] = firstSegment(path)
	}
	slices.Sort(paths)
	return slices.DeleteFunc(slices.Compact(paths), func(s string) bool { return s == "" })
}

func firstSegment(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first
}
