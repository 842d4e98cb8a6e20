package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"thalassa/lb"
	"thalassa/services"
)

// keyless is a node whose services the agent may not ask.
type keyless struct{}

var errKeyless = errors.New("dial unix /run/thalassa-node.sock: connection refused")

func (keyless) State(context.Context) (map[string]services.State, error) { return nil, errKeyless }

func (keyless) Start(context.Context, string) (map[string]services.State, error) {
	return nil, errKeyless
}

func (keyless) Stop(context.Context, string) (map[string]services.State, error) {
	return nil, errKeyless
}

func (keyless) Key(context.Context) ([]byte, error) { return nil, errKeyless }

// An agent that cannot ask the services of its node says so each time, and not more than that.
func TestNodeWithoutItsService(t *testing.T) {
	t.Parallel()
	l := NewLocal(keyless{}, nil, func() string { return "n2" }, time.Now, slog.New(slog.DiscardHandler))
	for range 2 {
		data, err := l.Challenge()
		if err != nil {
			t.Fatal(err)
		}
		var c Challenge
		if err := json.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(Question{Node: "n2", From: "n1", Nonce: c.Nonce})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := l.Answer(t.Context(), State, body); !errors.As(err, new(*lb.UnavailableError)) || errors.Is(err, errKeyless) {
			t.Errorf("got %v", err)
		}
	}
}

// keyed is a node with the key of its cluster.
type keyed struct {
	keyless

	key string
}

func (k *keyed) Key(context.Context) ([]byte, error) { return []byte(k.key), nil }

// A node that has joined another cluster has the key of that at once, however short the time is since
// it has read the former one.
func TestKeyOfAnotherCluster(t *testing.T) {
	t.Parallel()
	k := &keyed{key: "one"}
	l := NewLocal(k, nil, func() string { return "n2" }, time.Now, slog.New(slog.DiscardHandler))
	for _, key := range []string{"one", "two"} {
		k.key = key
		got, err := l.keyFor(t.Context(), func(have []byte) bool { return string(have) == key })
		if err != nil || string(got) != key {
			t.Errorf("%q, %v, expected %q", got, err, key)
		}
		l.forgetKey()
	}
}

// The text of a cluster changes with its key, and not while that cannot be read.
func TestTextOfTheCluster(t *testing.T) {
	t.Parallel()
	k, now := &sometimesKeyed{}, time.Unix(1e9, 0)
	l := NewLocal(k, nil, func() string { return "n2" }, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	var all []string
	for i, key := range []string{"", "one", "", "one", "two", "", "one"} {
		k.key = key
		now = now.Add(clusterAgain)
		id := l.Cluster(t.Context())
		if reads := k.reads; l.Cluster(t.Context()) != id || k.reads != reads {
			t.Errorf("step %d: it is read again at once", i)
		}
		all = append(all, id)
	}
	one, two := all[1], all[4]
	if len(one) != 32 || len(two) != 32 || one == two || !slices.Equal(all, []string{"", one, one, one, two, two, one}) {
		t.Errorf("got %q", all)
	}
}

// sometimesKeyed is a node with a key that is not always readable.
type sometimesKeyed struct {
	keyed

	reads int
}

func (k *sometimesKeyed) Key(ctx context.Context) ([]byte, error) {
	if k.reads++; k.key == "" {
		return nil, errKeyless
	}
	return k.keyed.Key(ctx)
}
