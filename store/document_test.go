package store_test

import (
	"errors"
	"slices"
	"testing"

	"thalassa/lb"
	"thalassa/store"
)

// paths lists the fields that an error is about.
func paths(err error) []string {
	invalid := new(lb.InvalidError)
	if !errors.As(err, &invalid) {
		return nil
	}
	out := make([]string, len(invalid.Fields))
	for i, f := range invalid.Fields {
		out[i] = f.Path
	}
	return out
}

// TestFilesAreReadLeniently: a file may hold fields of another version, but no
// value that the API would not take.
func TestFilesAreReadLeniently(t *testing.T) {
	t.Parallel()
	if f, err := store.DecodeFrontend([]byte(`{"key": "web", "bind": "*:80", "backend": "a", "color": "red"}`)); err != nil || f.Key != "web" {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err := store.DecodeFrontend([]byte(`{"id": "frontend/web", "bind": "*:80", "backend": "a"}`)); err != nil || f.Key != "web" {
		t.Errorf("%+v, %v", f, err)
	}
	_, err := store.DecodeFrontend([]byte(`{"key": "web", "bind": "*:80", "backend": "a", "natives": ["a\nb", 1]}`))
	if !slices.Equal(paths(err), []string{"natives[1]"}) {
		t.Errorf("%v", err)
	}
	_, err = store.DecodeFrontend([]byte(`{"key": "web", "bind": "*:80", "backend": "a", "natives": ["a\nb"]}`))
	if !slices.Equal(paths(err), []string{"natives[0]"}) {
		t.Errorf("%v", err)
	}
	_, err = store.DecodeBackend([]byte(`{"key": "live", "type": "static", "natives": ["backend x"], "size": 1}`))
	if !slices.Equal(paths(err), []string{"natives[0]"}) {
		t.Errorf("%v", err)
	}
}
