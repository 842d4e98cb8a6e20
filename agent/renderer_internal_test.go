package agent

import (
	"testing"

	"thalassa/lb"
	"thalassa/template"
)

// The renderer keeps one text until that is released, and never gives it for another
// configuration or template.
func TestRendererKeepsOneText(t *testing.T) {
	t.Parallel()
	r, calls := newRenderer(), 0
	render := r.render
	r.render = func(tmpl *template.Template, c lb.Config) (template.Rendered, error) {
		calls++
		return render(tmpl, c)
	}
	one, other := lb.Config{Process: lb.Process{MaxConn: 1}}, lb.Config{Process: lb.Process{MaxConn: 2}}
	tmpl, changed := template.Default(), template.Default()
	of := func(tmpl *template.Template, c lb.Config, want int, what string) {
		t.Helper()
		got, err := r.of(tmpl, c)
		if err != nil {
			t.Fatal(err)
		}
		if fresh, err := render(tmpl, c); err != nil || string(got.Bytes) != string(fresh.Bytes) || got.Fingerprint != fresh.Fingerprint {
			t.Errorf("%s: not the text of the configuration", what)
		}
		if calls != want {
			t.Errorf("%s: rendered %d times, want %d", what, calls, want)
		}
	}
	of(tmpl, one, 1, "first")
	of(tmpl, one, 1, "again")
	r.release(tmpl, other)
	of(tmpl, one, 1, "after the release of another")
	of(tmpl, other, 2, "another configuration")
	of(changed, other, 3, "another template")
	r.release(changed, other)
	of(changed, other, 4, "after its release")
	invalid := lb.Config{Backends: []lb.ResolvedBackend{{Backend: lb.Backend{Key: "b\nglobal"}}}}
	if _, err := r.of(changed, invalid); err == nil {
		t.Error("a key with a line break was rendered")
	}
	of(changed, other, 5, "after a failure")
}
