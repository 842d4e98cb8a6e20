package template_test

import (
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/template"
)

// A raw default-server line that names resolvers is not overridden by the server's own.
func TestRawResolversStayInEffect(t *testing.T) {
	t.Parallel()
	b, err := lb.BackendSpec{
		Type: "static", Members: []lb.MemberSpec{{Host: "a.example.org", Port: 80}},
		Natives: []string{"default-server resolvers system init-addr none"},
	}.Parse("named")
	if err != nil {
		t.Fatal(err)
	}
	out, err := template.Default().Render(lb.Resolve(lb.Intent{Backends: map[lb.Name]lb.Backend{"named": b}}, lb.Snapshot{}, lb.Process{}))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(out.Bytes); !strings.Contains(text, "\nresolvers system\n") || !strings.HasSuffix(text, "check inter 2000ms weight 1\n") {
		t.Error(text)
	}
}
