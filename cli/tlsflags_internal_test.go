package cli

import (
	"testing"

	"github.com/spf13/pflag"
)

func TestTLSFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flags          tlsFlags
		args           []string
		document, want string
	}{
		{frontendTLS(), nil, `{"bind": "*:80"}`, `{"bind": "*:80"}`},
		{frontendTLS(), []string{"--tls-bind", "*:443", "--tls-certificate", "shop,api", "--tls-redirect"}, `{"bind":"*:80"}`, `{"bind":"*:80","tls":{"bind":"*:443","certificates":["shop","api"],"redirect":true}}`},
		{frontendTLS(), []string{"--tls-min-version", "1.3", "--tls-redirect=false"}, `{"tls":{"bind":"*:443","redirect":true}}`, `{"tls":{"bind":"*:443","minVersion":"1.3","redirect":false}}`},
		{backendTLS(), []string{"--tls-verify", "corp", "--tls-alpn", "h2"}, `{"tls":null,"weight":10000000000000001}`, `{"tls":{"alpn":["h2"],"verify":"corp"},"weight":10000000000000001}`},
		{backendTLS(), []string{"--tls-verify", "corp"}, `[]`, ""},
		{backendTLS(), []string{"--tls-verify", "corp"}, `{"tls":3}`, ""},
	} {
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		tt.flags.declare(f)
		if err := f.Parse(tt.args); err != nil {
			t.Fatal(err)
		}
		got, err := tt.flags.edit([]byte(tt.document))
		if string(got) != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%v on %s: got %s, %v", tt.args, tt.document, got, err)
		}
	}
}
