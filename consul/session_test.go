package consul_test

import (
	"errors"
	"testing"
	"time"

	"thalassa/consul"
	"thalassa/internal/testkit"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// A session holds keys against all others, writes only what it holds, and only over what it
// has seen. Its keys go with it.
func TestSessions(t *testing.T) {
	t.Parallel()
	server := testkit.Consul(t)
	client, err := consul.New(consul.Config{Address: server.Address()})
	must(t, err)
	defer client.Close()
	ctx, sessions := t.Context(), client.Sessions()
	begin := func(name string) string {
		id, err := sessions.Begin(ctx, name, 10*time.Second, time.Millisecond)
		must(t, err)
		return id
	}
	a, b := begin("a"), begin("b")
	hold := func(id, value string, want bool) {
		t.Helper()
		if isHeld, err := sessions.Hold(ctx, id, "x/lock", []byte(value)); err != nil || isHeld != want {
			t.Errorf("held: %v, %v", isHeld, err)
		}
	}
	hold(a, "a", true)
	hold(a, "still a", true)
	hold(b, "b", false)
	pair, isThere, err := client.Pair(ctx, "x/lock")
	if err != nil || !isThere || string(pair.Value) != "still a" || pair.Session != a {
		t.Errorf("the lock is %+v, %v, %v", pair, isThere, err)
	}
	indexes, err := sessions.Write(ctx, a, "x/lock", consul.Write{Key: "x/one", Value: []byte("1")}, consul.Write{Key: "x/two", Value: []byte("2"), Anyway: true})
	must(t, err)
	for name, c := range map[string]struct {
		id    string
		write consul.Write
		want  error
	}{
		"not held":      {b, consul.Write{Key: "x/one", Value: []byte("b"), Anyway: true}, consul.ErrNotHeld},
		"there already": {a, consul.Write{Key: "x/one", Value: []byte("3")}, consul.ErrChanged},
		"another index": {a, consul.Write{Key: "x/one", Value: []byte("3"), Index: indexes["x/one"] + 1000}, consul.ErrChanged},
		"not gone":      {a, consul.Write{Key: "x/one", Index: indexes["x/one"] + 1000}, consul.ErrChanged},
	} {
		if _, err := sessions.Write(ctx, c.id, "x/lock", consul.Write{Key: "x/two", Value: []byte("changed"), Anyway: true}, c.write); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for key, want := range map[string]string{"x/one": "1", "x/two": "2"} {
		if pair, _, err := client.Pair(ctx, key); err != nil || string(pair.Value) != want || pair.Index != indexes[key] {
			t.Errorf("%s is %+v, %v", key, pair, err)
		}
	}
	_, err = sessions.Write(ctx, a, "x/lock", consul.Write{Key: "x/one", Value: []byte("3"), Index: indexes["x/one"]}, consul.Write{Key: "x/two", Anyway: true})
	must(t, err)
	if _, isThere, err := client.Pair(ctx, "x/two"); err != nil || isThere {
		t.Errorf("a removed key is there: %v, %v", isThere, err)
	}
	if done, err := client.ReplacePair(ctx, "x/one", []byte("4"), 0); err != nil || done {
		t.Errorf("a key that is there is made anew: %v, %v", done, err)
	}
	if isThere, err := sessions.Renew(ctx, a); err != nil || !isThere {
		t.Errorf("renewed: %v, %v", isThere, err)
	}
	must(t, sessions.End(ctx, a))
	if isThere, err := sessions.Renew(ctx, a); err != nil || isThere {
		t.Errorf("an ended session is renewed: %v, %v", isThere, err)
	}
	if _, isThere, err := client.Pair(ctx, "x/lock"); err != nil || isThere {
		t.Errorf("the lock outlives its session: %v, %v", isThere, err)
	}
	testkit.Eventually(t, 10*time.Second, func() error {
		if isHeld, err := sessions.Hold(ctx, b, "x/lock", []byte("b")); err != nil || !isHeld {
			return errors.New("not held by the next")
		}
		return nil
	})
}
