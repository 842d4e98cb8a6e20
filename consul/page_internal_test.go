package consul

import "testing"

func TestPage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cfg              Config
		datacenter, want string
	}{
		{Config{}, "dc1", "http://127.0.0.1:8500/ui/dc1/services/shop/instances"},
		{Config{Address: "https://consul.example:8501/prefix/"}, "dc 1", "https://consul.example:8501/prefix/ui/dc%201/services/shop/instances"},
		{Config{Address: "[::1]:8500", Namespace: "team", Partition: "east"}, "dc1", "http://[::1]:8500/ui/_east/~team/dc1/services/shop/instances"},
		{Config{Address: "unix:///run/consul.sock"}, "dc1", ""},
		{Config{}, "", ""},
	} {
		c, err := New(test.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Page("shop", test.datacenter); got != test.want {
			t.Errorf("%+v: %s, want %s", test.cfg, got, test.want)
		}
	}
}
