package stage_test

import (
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/stage"
)

func intent(t *testing.T, edits ...lb.Edit) lb.Intent {
	t.Helper()
	in, err := lb.Intent{}.ApplyAll(edits)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func static(key lb.Name, balance string) lb.Edit {
	return lb.Edit{Backend: &lb.Backend{Key: key, Type: "static", Mode: "http", Balance: balance}}
}

// Every kind of object that has changed is put as it is to be, and never removed instead.
func TestTowardsAnotherIntentOfEveryKind(t *testing.T) {
	bind, err := lb.ParseBind("127.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	all := func(line lb.RawLine) []lb.Edit {
		return []lb.Edit{
			{Section: &lb.Section{Kind: lb.SectionDefaults, Name: "d", Natives: []lb.RawLine{line}}},
			{Backend: &lb.Backend{Key: "b", Type: "static", Mode: "http", Balance: "roundrobin", Natives: []lb.RawLine{line}}},
			{Frontend: &lb.Frontend{Key: "f", Binds: []lb.Bind{bind}, Backend: "b", Mode: "http", Natives: []lb.RawLine{line}}},
			{Certificate: &lb.Certificate{Key: "c", Files: []lb.PEMFile{{Digest: string(line)}}}},
		}
	}
	from, to := intent(t, all("retries 1")...), intent(t, all("retries 2")...)
	for _, c := range []struct{ from, to lb.Intent }{{from, to}, {lb.Intent{}, to}, {from, lb.Intent{}}} {
		edits := stage.Towards(c.from, c.to)
		got, err := stage.Changeset{Edits: edits}.Apply(c.from)
		if err != nil || len(edits) != len(lb.Kinds()) || len(got.Changes(c.to)) > 0 {
			t.Errorf("%d edits, %v, still different: %v", len(edits), err, got.Changes(c.to))
		}
	}
}

func TestTowardsAnotherIntent(t *testing.T) {
	from := intent(t, static("same", "roundrobin"), static("other", "roundrobin"), static("gone", "roundrobin"))
	to := intent(t, static("same", "roundrobin"), static("other", "leastconn"), static("new", "roundrobin"))
	edits := stage.Towards(from, to)
	if len(edits) != 3 {
		t.Fatalf("%d edits", len(edits))
	}
	got, err := stage.Changeset{Edits: edits}.Apply(from)
	if err != nil || len(got.Changes(to)) > 0 {
		t.Errorf("%v, still different: %v", err, got.Changes(to))
	}
	moved, err := from.Apply(static("other", "source"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (stage.Changeset{Edits: edits}).Apply(moved); err == nil {
		t.Error("edits are made on an object that has changed since")
	}
}

func TestAChangesetIsBounded(t *testing.T) {
	many := make([]lb.Edit, stage.MaxEdits+1)
	for want, set := range map[string]stage.Changeset{
		"edits: is empty":  {},
		"edits: has 20001": {Edits: many},
		"message: has 1001 bytes, expected at most 1000": {Edits: many[:1], Origin: lb.Origin{Message: strings.Repeat("x", 1001)}},
	} {
		if err := set.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestDifferenceIsBounded(t *testing.T) {
	if got := stage.Difference("a", "b", []byte("x\n"), []byte("x\n")); got != "" {
		t.Errorf("equal texts differ by %q", got)
	}
	if got := stage.Difference("a", "b", []byte("x\ny\n"), []byte("x\nz\n")); got != "--- a\n+++ b\n@@ -1,2 +1,2 @@\n x\n-y\n+z\n" {
		t.Errorf("got %q", got)
	}
	large := stage.Difference("a", "b", nil, []byte(strings.Repeat(strings.Repeat("x", 99)+"\n", 20000)))
	if len(large) > 1<<20+100 || !strings.HasSuffix(large, "more bytes\n") {
		t.Errorf("%d bytes end in %q", len(large), large[len(large)-30:])
	}
}
