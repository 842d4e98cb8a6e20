package api

import (
	"encoding/json"
	"strings"
	"testing"

	"thalassa/activity"
	"thalassa/auth"
	"thalassa/lb"
)

// Texts about an object that is seen do not tell the hidden names in what it hashes, or in its files.
func TestTextsTellNoHiddenNames(t *testing.T) {
	grant, err := auth.NewGrant(auth.Admin, []string{"backend/shop-*"}, false)
	if err != nil {
		t.Fatal(err)
	}
	s, in := sight{grant}, lb.NewIntent()
	texts := []string{
		"backend/shop-a balance: hash nbsrv(zebra) → roundrobin",
		"backend/shop-a balance: roundrobin → hash nbsrv(nobody)",
		"backend/shop-a: balance hash nbsrv(zebra) follows the server lines",
		"backend/shop-a connections: none → ssl crt /etc/zebra.0",
		"backend/shop-a balance: roundrobin → leastconn",
	}
	e, seen := s.event(in, activity.Event{Object: activity.Object{ID: "backend/shop-a"}, Diff: texts, Reasons: texts})
	shown := []any{
		e.Diff, e.Reasons, s.applied(in, lb.Applied{Warnings: texts}).Warnings, s.status(in, lb.Status{Warnings: texts}).Warnings,
	}
	for i, one := range shown {
		data, _ := json.Marshal(one)
		if text := string(data); !seen || strings.Contains(text, "zebra") || strings.Contains(text, "nobody") || !strings.Contains(text, "leastconn") {
			t.Errorf("%d: %s", i, text)
		}
	}
}
