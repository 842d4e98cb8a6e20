package listen_test

import (
	"path/filepath"
	"strings"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/listen"
)

// What is ordered replaces the certificate of the other source, and stays when something else
// is wrong.
func TestOrdered(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, filepath.Join(t.TempDir(), "tls"), nil, "lb1.example")
	o := listen.NewOrdered(own, nil)
	if o.Certificate() != own.Certificate() || o.IsOrdered() {
		t.Error("it does not begin with the other source")
	}
	pair := testkit.NewAuthority(t).Issue(t, "lb1.example")
	if err := o.Use([]byte(pair.Chain + pair.Key)); err != nil {
		t.Fatal(err)
	}
	if !o.Certificate().Leaf.Equal(pair.Leaf) || !o.IsOrdered() || o.Problem() != "" {
		t.Errorf("it shows %s", o.Certificate().Leaf.Subject)
	}
	for name, text := range map[string]string{"nothing": "", "no key": pair.Chain, "another key": pair.Chain + testkit.NewAuthority(t).Issue(t, "x").Key} {
		err := o.Use([]byte(text))
		if err == nil || strings.Contains(err.Error(), "PRIVATE KEY-") {
			t.Errorf("%s: %v", name, err)
		}
		if !o.Certificate().Leaf.Equal(pair.Leaf) {
			t.Errorf("%s replaces the certificate", name)
		}
	}
}
