package nodes

import (
	"strings"
	"testing"
	"time"
)

// A question is refused if anything in it, its verb or the key is another one, and so is an answer.
func TestSeals(t *testing.T) {
	t.Parallel()
	key, other := []byte("key"), []byte("other")
	q := Question{Node: "n2", Nonce: "1", Fresh: "2", From: "n1", By: "ann", Job: "j", Service: "corosync"}.sealed(key, Stop)
	if !q.isSealed(key, Stop) || q.isSealed(other, Stop) || q.isSealed(key, Start) {
		t.Error("the key or the verb does not count")
	}
	for i, change := range []func(*Question){
		func(q *Question) { q.Node = "n3" }, func(q *Question) { q.Nonce = "2" }, func(q *Question) { q.Fresh = "3" }, func(q *Question) { q.From = "n3" },
		func(q *Question) { q.By = "bob" }, func(q *Question) { q.Job = "k" }, func(q *Question) { q.Service = "" },
		func(q *Question) { q.Nonce, q.Fresh = "12", "" }, // the same letters
		func(q *Question) { q.Begun = 1 }, func(q *Question) { q.Until = 1 },
	} {
		changed := q
		change(&changed)
		if changed.isSealed(key, Stop) {
			t.Errorf("change %d is not seen", i)
		}
	}
	a, err := answerTo(q, key, Report{Doing: "stop corosync"})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := a.open(q, key); err != nil || r.Doing != "stop corosync" {
		t.Errorf("%+v, %v", r, err)
	}
	for name, forged := range map[string]struct {
		a Answer
		q Question
	}{
		"report":           {Answer{strings.Replace(a.Report, "stop", "kill", 1), a.Seal}, q},
		"another question": {a, Question{Node: "n2", Fresh: "3"}},
		"another node":     {a, Question{Node: "n3", Fresh: "2"}},
	} {
		if _, err := forged.a.open(forged.q, key); err == nil {
			t.Errorf("%s: it is accepted", name)
		}
	}
}

// A nonce counts once, for a while, and only on the agent that made it.
func TestChallenges(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	c := newChallenges(func() time.Time { return now })
	nonce := c.next()
	if !c.knows(nonce) || !c.use(nonce, Stop) || c.use(nonce, Stop) || c.use(nonce, Drafts) {
		t.Error("it does not count once")
	}
	now = now.Add(nonceLife)
	if c.knows(nonce) {
		t.Error("an old one counts")
	}
	if c.use(nonce, Stop) { // the clock may be set back yet
		t.Error("a used one is forgotten as soon as it is old")
	}
	for _, forged := range []string{"", "00", strings.Repeat("0", 64), nonce[:62] + "00", newChallenges(func() time.Time { return now }).next()} {
		if c.knows(forged) {
			t.Errorf("%q counts", forged)
		}
	}
	for range maxDrafted + 10 {
		c.use(c.next(), Drafts)
	}
	if len(c.drafted) != maxDrafted || c.use(c.next(), Drafts) {
		t.Errorf("%d nonces of drafts are kept", len(c.drafted))
	}
	for _, verb := range []string{Start, Stop, Leave} {
		if !c.use(c.next(), verb) {
			t.Errorf("messages about drafts shut out %s", verb)
		}
	}
	for range maxUsed + 10 {
		c.use(c.next(), State)
	}
	if len(c.used) != maxUsed {
		t.Errorf("%d nonces are kept", len(c.used))
	}
	now = now.Add(2 * nonceLife) // none of them counts any more
	if !c.use(c.next(), Stop) || len(c.used) != 1 || !c.use(c.next(), Drafts) || len(c.drafted) != 1 {
		t.Errorf("%d nonces and %d of drafts are kept after their time", len(c.used), len(c.drafted))
	}
}
