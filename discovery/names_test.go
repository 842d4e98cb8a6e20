package discovery_test

import (
	"errors"
	"slices"
	"testing"

	"thalassa/discovery"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// Every service in the catalog is named, watched or not, unless no backend can name it.
func TestNames(t *testing.T) {
	consul := testkit.Consul(t)
	consul.Register(testkit.Instance{Service: "shop", Address: "127.0.0.1", Port: 9})
	consul.Register(testkit.Instance{ID: "odd", Service: "no name", Address: "127.0.0.1", Port: 9})
	w := watch(t, discovery.Config{Address: consul.Address()})
	got, err := w.Names(t.Context())
	if err != nil || !slices.Equal(got, []lb.Name{"consul", "shop"}) {
		t.Errorf("%q, %v", got, err)
	}
	consul.Kill()
	if again, err := w.Names(t.Context()); err != nil || !slices.Equal(again, got) { // of a moment ago
		t.Errorf("%q, %v", again, err)
	}
	other := watch(t, discovery.Config{Address: consul.Address()})
	if _, err := other.Names(t.Context()); !errors.As(err, new(*lb.UnavailableError)) {
		t.Errorf("%v without Consul", err)
	}
}
