package cli

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

// A tlsFlag is a flag for a field of tls.
type tlsFlag struct {
	flag, field string
	list, yes   bool // its value is a list, or true; else it is a text
	help        string
}

// frontendTLS are the flags for the field tls of a frontend.
func frontendTLS() tlsFlags {
	return tlsFlags{list: []tlsFlag{
		{flag: "tls-bind", field: "bind", help: "`addresses` where clients speak TLS, e.g. *:443"},
		{flag: "tls-certificate", field: "certificates", list: true, help: "`names` of the stored certificates to serve"},
		{flag: "tls-default", field: "default", help: "`name` of the certificate for other server names (default: the first)"},
		{flag: "tls-strict-sni", field: "strictSNI", yes: true, help: "refuse clients that ask for another server name"},
		{flag: "tls-min-version", field: "minVersion", help: "lowest `version` of TLS: 1.2 (default) or 1.3"},
		{flag: "tls-ciphers", field: "ciphers", help: "`ciphers` of TLS 1.2, in OpenSSL's notation"},
		{flag: "tls-cipher-suites", field: "cipherSuites", help: "`suites` of TLS 1.3, in OpenSSL's notation"},
		{flag: "tls-alpn", field: "alpn", list: true, help: "`protocols` that clients may choose from"},
		{flag: "tls-client-ca", field: "clientCA", help: "`name` of the stored authority of clients"},
		{flag: "tls-client-verify", field: "clientVerify", help: "certificates of clients: `required` (default) or optional"},
		{flag: "tls-redirect", field: "redirect", yes: true, help: "send clients of all other addresses to https"},
		{flag: "tls-hsts", field: "hsts", help: "`value` of Strict-Transport-Security, e.g. max-age=31536000"},
	}}
}

// backendTLS are the flags for the field tls of a backend.
func backendTLS() tlsFlags {
	return tlsFlags{list: []tlsFlag{
		{flag: "tls-verify", field: "verify", help: "`authority` of members: a stored one, system or none"},
		{flag: "tls-server-name", field: "serverName", help: "host `name` that the certificates of members are for"},
		{flag: "tls-sni", field: "sni", help: "`name` to ask members for: serverName (default), host or none"},
		{flag: "tls-alpn", field: "alpn", list: true, help: "`protocols` that members may choose from"},
		{flag: "tls-min-version", field: "minVersion", help: "lowest `version` of TLS: 1.2 (default) or 1.3"},
		{flag: "tls-certificate", field: "certificate", help: "`name` of the stored certificate to show to members"},
		{flag: "tls-from-meta", field: "fromMeta", list: true, help: "what instances `say` in Consul meta: serverName, off"},
	}}
}

// tlsFlags are flags that set fields of tls in a document.
type tlsFlags struct {
	list []tlsFlag
	set  *pflag.FlagSet
}

// declare declares the flags.
func (t *tlsFlags) declare(f *pflag.FlagSet) {
	t.set = f
	for _, one := range t.list {
		switch {
		case one.list:
			f.StringSlice(one.flag, nil, one.help)
		case one.yes:
			f.Bool(one.flag, false, one.help)
		default:
			f.String(one.flag, "", one.help)
		}
	}
}

// edit sets the fields whose flags are given. The other fields of the document stay.
func (t *tlsFlags) edit(document json.RawMessage) (json.RawMessage, error) {
	given := map[string]any{}
	for _, one := range t.list {
		if !t.set.Changed(one.flag) {
			continue
		}
		var err error
		switch {
		case one.list:
			given[one.field], err = t.set.GetStringSlice(one.flag)
		case one.yes:
			given[one.field], err = t.set.GetBool(one.flag)
		default:
			given[one.field], err = t.set.GetString(one.flag)
		}
		if err != nil {
			return nil, fmt.Errorf("reading --%s: %w", one.flag, err)
		}
	}
	if len(given) == 0 {
		return document, nil
	}
	var whole, fields map[string]json.RawMessage
	if err := json.Unmarshal(document, &whole); err != nil || whole == nil {
		return nil, errors.New("the document is not a JSON object, which the flags for TLS need")
	}
	if text := whole["tls"]; len(text) > 0 {
		if err := json.Unmarshal(text, &fields); err != nil {
			return nil, errors.New("tls is not a JSON object, which the flags for TLS need")
		}
	}
	if fields == nil {
		fields = map[string]json.RawMessage{}
	}
	for field, value := range given {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		fields[field] = text
	}
	var err error
	if whole["tls"], err = json.Marshal(fields); err != nil {
		return nil, err
	}
	return json.Marshal(whole)
}
