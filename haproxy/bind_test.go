package haproxy_test

import (
	"strings"
	"testing"

	"thalassa/haproxy"
)

func TestBinds(t *testing.T) {
	config := `global
frontend a
    bind *:80
	bind :81,127.0.0.1:82 ssl crt x.pem
    bind [::1]:83 v6only
    #bind :84
    bind-process 1
    bind ipv4@127.0.0.1:85
    bind name:86
    bind 127.0.0.1:87-90
    bind ::1:91
    bind 127.0.0.1:${PORT}
    bind /run/x.sock
    bind fd@7
    bind 127.0.0.1:92 namespace other
    bind 127.0.0.1:0
    bind
    bind 127.0.0.1:65536
    bind "127.0.0.1:93"
`
	want := "3 0.0.0.0:80, 4 0.0.0.0:81, 4 127.0.0.1:82, 5 [::1]:83"
	if got := strings.Join(haproxy.Binds([]byte(config)), ", "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzBinds(f *testing.F) {
	f.Add("    bind *:80,[::1]:81,127.0.0.1:82 ssl\n")
	f.Fuzz(func(t *testing.T, config string) {
		for _, b := range haproxy.Binds([]byte(config)) {
			if strings.HasSuffix(b, ":0") || !strings.Contains(config, "bind") {
				t.Errorf("%q has the address %s", config, b)
			}
		}
	})
}
