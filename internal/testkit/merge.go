package testkit

import "maps"

// Merge is what a client of the stream knows of an object after it has received changed
// (docs/streams.md). Neither argument is modified.
func Merge(known, changed map[string]any) map[string]any {
	if changed["type"] != nil || known == nil {
		return changed
	}
	merged := maps.Clone(known)
	for name, v := range changed {
		inner, ok := v.(map[string]any)
		if before, has := merged[name].(map[string]any); ok && has {
			outer := maps.Clone(before)
			maps.Copy(outer, inner)
			v = outer
		}
		merged[name] = v
	}
	return merged
}
