package statsock_test

import (
	"testing"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

func TestOffer(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			h := testkit.RunHAProxy(t, binary.Path, testkit.HAProxyConfig{})
			var offer statsock.Offer
			testkit.Eventually(t, patience, func() error {
				var err error
				offer, err = statsock.New(h.StatsSocket).Offer(t.Context())
				return err
			})
			if offer.Level != "admin" {
				t.Errorf("the level is %q", offer.Level)
			}
			for _, c := range []string{"set server", "show servers state", "show servers conn", "help", "show info"} {
				if !offer.Has(c) {
					t.Errorf("%s is not offered: %q", c, offer.Commands)
				}
			}
			for _, c := range []string{"", "reload", "set serve", "add backends"} {
				if offer.Has(c) {
					t.Errorf("%q is offered", c)
				}
			}
		})
	}
}

func TestOfferOfAnotherForm(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "Unknown command: 'show cli level'\n", "The following commands are valid at this level:\n  help : this\n"} {
		if o, err := statsock.ParseOffer(text); err == nil {
			t.Errorf("%q is read as %+v", text, o)
		}
	}
	o, err := statsock.ParseOffer("operator\n\nThe following commands are valid at this level:\n  show servers conn [<backend>]           : dump: all\nno command: this\n")
	if err != nil || o.Level != "operator" || len(o.Commands) != 1 || !o.Has("show servers conn") || o.Has("show servers con") {
		t.Errorf("got %+v, %v", o, err)
	}
}
