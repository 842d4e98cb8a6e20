package lb

import "strings"

// What follows are the keywords of proxy sections in HAProxy 2.6 to 3.2, as
// "haproxy -dKcfg" and the configuration manual list them. A line that begins
// with another one, or has another option, could do anything.
const (
	// plainKeywords name nothing outside of haproxy.cfg, but for expressions.
	plainKeywords = " acl backlog balance bind-process capture clitcpka-cnt clitcpka-idle clitcpka-intvl clitimeout" +
		" compression contimeout cookie declare default_backend description disabled dynamic-cookie-key email-alert enabled" +
		" error-log-format errorfiles errorloc errorloc302 errorloc303 force-persist fullconn grace guid hash-balance-factor" +
		" hash-preserve-affinity hash-type http-reuse http-send-name-header id ignore-persist load-server-state-from-file" +
		" log-format log-format-sd log-steps log-tag max-keep-alive-queue max-session-srv-conns maxconn mode monitor" +
		" monitor-net monitor-uri persist rate-limit redirect retries retry-on srvtcpka-cnt srvtcpka-idle srvtcpka-intvl" +
		" srvtimeout stats stick stick-table timeout transparent unique-id-format unique-id-header use-fcgi-app use-server" +
		" use_backend "

	bindFlags = " accept-proxy allow-0rtt defer-accept force-sslv3 force-tlsv10 force-tlsv11 force-tlsv12 force-tlsv13" +
		" generate-certificates no-alpn no-ca-names no-sslv3 no-strict-sni no-tls-tickets no-tlsv10 no-tlsv11 no-tlsv12" +
		" no-tlsv13 prefer-client-ciphers quic-force-retry ssl strict-sni tfo tls-tickets transparent v4v6 v6only "
	bindValues = " accept-netscaler-cip alpn backlog ca-file ca-ignore-err ca-sign-file ca-sign-pass ca-verify-file cc ciphers" +
		" ciphersuites client-sigalgs crl-file crt crt-ignore-err crt-list curves default-crt ecdhe guid-prefix id idle-ping" +
		" interface label level maxconn mss name nbconn nice npn process proto quic-cc-algo quic-socket severity-output shards" +
		" sigalgs ssl-max-ver ssl-min-ver tcp-ut thread tls-ticket-keys verify "
	// bindPowers reach further than an address and a certificate: owners and modes
	// of socket files, other network namespaces, descriptors.
	bindPowers = " expose-fd gid group mode namespace uid user "

	serverFlags = " agent-check allow-0rtt backup check check-reuse-pool check-send-proxy check-ssl check-via-socks4 disabled" +
		" enabled force-sslv3 force-tlsv10 force-tlsv11 force-tlsv12 force-tlsv13 no-agent-check no-backup no-check" +
		" no-check-reuse-pool no-check-send-proxy no-check-ssl no-send-proxy no-send-proxy-v2 no-send-proxy-v2-ssl" +
		" no-send-proxy-v2-ssl-cn no-ssl no-ssl-reuse no-sslv3 no-tfo no-tls-tickets no-tlsv10 no-tlsv11 no-tlsv12" +
		" no-tlsv13 no-verifyhost non-stick send-proxy send-proxy-v2 send-proxy-v2-ssl send-proxy-v2-ssl-cn ssl ssl-reuse" +
		" stick strict-maxconn tfo tls-tickets "
	serverValues = " addr agent-addr agent-inter agent-port agent-send alpn ca-file cc check-alpn check-pool-conn-name" +
		" check-proto check-sni ciphers ciphersuites client-sigalgs cookie crl-file crt curves downinter error-limit fall" +
		" fastinter guid hash-key id idle-ping init-addr init-state inter interface log-bufsize log-proto max-reuse maxconn" +
		" maxqueue minconn npn observe on-error on-marked-down on-marked-up pool-conn-name pool-low-conn pool-max-conn" +
		" pool-purge-delay port proto proxy-v2-options redir resolve-net resolve-opts resolve-prefer resolvers rise" +
		" set-proxy-v2-tlv-fmt shard sigalgs slowstart sni socks4 source ssl-max-ver ssl-min-ver tcp-ut track usesrc verify" +
		" verifyhost weight ws "
	serverPowers = " namespace "

	// certificateOptions of bind, server and ssl-f-use take a file or a directory of
	// certificates, keys or authorities.
	certificateOptions = " ca-file ca-sign-file ca-verify-file crl-file crt default-crt issuer key ocsp sctl tls-ticket-keys "
	// certificateFlags and certificateValues are the other words of ssl-f-use.
	certificateFlags  = " allow-0rtt no-alpn no-ca-names "
	certificateValues = " acme alias alpn ciphers ciphersuites client-sigalgs curves domains ecdhe npn ocsp-update sigalgs" +
		" ssl-max-ver ssl-min-ver verify "

	// actions of the rules of http-request, http-response, http-after-response,
	// tcp-request, tcp-response and quic-initial, without what is in parentheses and
	// without digits at the end.
	actions = " accept add-acl add-header allow attach-srv auth cache-store cache-use capture close del-acl del-header del-map" +
		" deny dgram-drop disable-l7-retry do-log do-resolve early-hint expect-netscaler-cip expect-proxy inspect-delay" +
		" normalize-uri ot-group pause redirect reject replace-header replace-path replace-pathq replace-uri replace-value" +
		" return sc-add-gpc sc-inc-gpc sc-set-gpt send-retry send-spoe-group set-bandwidth-limit set-bc-mark set-bc-tos" +
		" set-dst set-dst-port set-fc-mark set-fc-tos set-header set-log-level set-map set-mark set-method set-nice set-path" +
		" set-pathq set-priority-class set-priority-offset set-query set-retries set-src set-src-port set-status set-timeout" +
		" set-tos set-uri set-var set-var-fmt silent-drop strict-mode switch-mode tarpit track-sc unset-var use-service" +
		" wait-for-body wait-for-handshake "
	// replies are the actions that answer a client with what a file holds.
	replies = " deny return tarpit "
	// filters that need no file.
	filters = " bwlim-in bwlim-out cache compression fcgi-app "
)

// isOneOf reports whether word is in a list of the form " a b c ".
func isOneOf(list, word string) bool {
	return word != "" && !strings.Contains(word, " ") && strings.Contains(list, " "+word+" ")
}

// KnownKeyword reports whether a line of a frontend or backend may begin with
// keyword in some version of HAProxy from 2.6 to 3.2.
func KnownKeyword(keyword string) bool {
	switch keyword {
	case "bind", "server", "server-template", "default-server", "log", "source", "dispatch", "errorfile",
		"server-state-file-name", "external-check", "option", "filter", "http-request", "http-response",
		"http-after-response", "http-error", "tcp-request", "tcp-response", "quic-initial", "http-check", "tcp-check", "ssl-f-use":
		return true
	}
	return isOneOf(plainKeywords, keyword)
}

// KnownWord reports whether word is a keyword, option, action or filter of proxy
// sections, so that a message with it tells nothing but HAProxy's own language.
func KnownWord(word string) bool {
	if KnownKeyword(word) {
		return true
	}
	for _, list := range []string{
		bindFlags, bindValues, bindPowers, serverFlags, serverValues, certificateOptions, certificateFlags, certificateValues, actions, filters,
	} {
		if isOneOf(list, word) {
			return true
		}
	}
	return false
}
