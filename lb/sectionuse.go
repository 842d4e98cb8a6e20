package lb

import "strings"

// The keywords of the other sections in HAProxy 2.6 to 3.2, as its configuration manual
// lists them. What is not here could do anything.
const (
	// globalKeywords name nothing outside of haproxy.cfg. Those that begin with "tune."
	// are known, too.
	globalKeywords = " anonkey busy-polling close-spread-time cluster-secret cpu-map cpu-policy cpu-set dns-accept-family" +
		" expose-deprecated-directives expose-experimental-directives fd-hard-limit force-cfg-parser-pause grace" +
		" h1-accept-payload-with-any-method h1-case-adjust h1-do-not-close-on-insecure-transfer-encoding" +
		" h2-workaround-bogus-websocket-clients hard-stop-after harden.reject-privileged-ports.tcp" +
		" harden.reject-privileged-ports.quic http-err-codes http-fail-codes httpclient.resolvers.disabled" +
		" httpclient.resolvers.id httpclient.resolvers.prefer httpclient.retries httpclient.ssl.verify" +
		" httpclient.timeout.connect limited-quic localpeer log-send-hostname log-tag max-spread-checks maxcompcpuusage" +
		" maxcomprate maxconn maxconnrate maxpipes maxsessrate maxsslconn maxsslrate maxzlibmem mworker-max-reloads" +
		" nbthread no-quic no-memory-trimming node noepoll noevports nogetaddrinfo nokqueue nopoll noreuseport nosplice" +
		" numa-cpu-mapping ocsp-update.disable ocsp-update.httpproxy ocsp-update.maxdelay ocsp-update.mindelay" +
		" ocsp-update.mode pp2-never-send-local prealloc-fd profiling.memory profiling.tasks quiet set-var set-var-fmt" +
		" shm-stats-file-max-objects spread-checks ssl-default-bind-ciphers ssl-default-bind-ciphersuites" +
		" ssl-default-bind-client-sigalgs ssl-default-bind-curves ssl-default-bind-options ssl-default-bind-sigalgs" +
		" ssl-default-server-ciphers ssl-default-server-ciphersuites ssl-default-server-client-sigalgs" +
		" ssl-default-server-curves ssl-default-server-options ssl-default-server-sigalgs ssl-load-extra-del-ext" +
		" ssl-load-extra-files ssl-mode-async ssl-propquery ssl-security-level stress-level" +
		" ssl-server-verify ssl-skip-self-issued-ca strict-limits thread-group thread-groups thread-hard-limit" +
		" uid-offset warn-blocked-traffic-after zero-warning "
	userlistKeywords  = " group user "
	cacheKeywords     = " max-age max-object-size max-secondary-entries process-vary total-max-size "
	resolversKeywords = " accepted_payload_size hold nameserver parse-resolv-conf resolve_retries timeout "
	peersKeywords     = " bind default-bind default-server disabled enabled log peer server shards table "
	mailersKeywords   = " mailer timeout "
	ringKeywords      = " description format maxlen server size timeout "
	fcgiKeywords      = " acl docroot index log-stderr no option pass-header path-info set-param "
	forwardKeywords   = " backlog bind dgram-bind log maxconn option timeout "
	profileKeywords   = " log-tag on "
	storeKeywords     = " crt-base key-base load "
)

// Uses lists what each line of the section makes HAProxy use outside of haproxy.cfg, in the order
// of the lines. If versions of HAProxy interpret a line differently, all interpretations count.
func (s Section) Uses() [][]Use {
	out := make([][]Use, len(s.Natives))
	for i, n := range s.Natives {
		if s.IsProxy() {
			out[i] = n.Uses()
			continue
		}
		u := uses{}
		u.readable(n, func() { u.sectionLine(s.Kind) })
		out[i] = u.list
	}
	return out
}

// sectionLine judges a line of a section that is no proxy.
func (u *uses) sectionLine(kind string) {
	if first := u.word(0); (first == "no" || first == "default") && len(u.words) > 1 {
		u.words = u.words[1:]
	}
	u.expressions()
	keyword := u.word(0)
	switch kind {
	case SectionGlobal:
		u.globalLine(keyword)
	case "http-errors":
		u.ofKeywords(" errorfile ", func() { u.file(ContentFile, keyword, u.word(2)) })
	case "program":
		u.add(Program, "program", strings.Join(u.words, " "))
	case "crt-store":
		u.ofKeywords(storeKeywords, func() { u.storeLine(keyword) })
	case "fcgi-app":
		u.patternFiles()
		u.ofKeywords(fcgiKeywords, func() { u.fcgiLine(keyword) })
	default:
		u.ofKeywords(sectionKeywordsOf(kind), func() { u.networkLine(keyword) })
	}
}

func sectionKeywordsOf(kind string) string {
	return map[string]string{
		"userlist": userlistKeywords, "cache": cacheKeywords, "resolvers": resolversKeywords, "peers": peersKeywords,
		"mailers": mailersKeywords, "ring": ringKeywords, "log-forward": forwardKeywords, "log-profile": profileKeywords,
	}[kind]
}

// ofKeywords judges a line that begins with one of the keywords; another one is unknown.
func (u *uses) ofKeywords(keywords string, judge func()) {
	if !isOneOf(keywords, u.word(0)) {
		u.unknown(u.word(0))
		return
	}
	judge()
}

// globalLine judges a line of the global section.
func (u *uses) globalLine(keyword string) {
	switch {
	case keyword == "log":
		u.logTarget()
	case keyword == "ca-base" || keyword == "crt-base" || keyword == "key-base" || keyword == "ssl-dh-param-file" || keyword == "issuers-chain-path":
		u.file(CertificateFile, keyword, u.word(1))
	case keyword == "h1-case-adjust-file":
		u.file(ContentFile, keyword, u.word(1))
	case keyword == "stats" && (u.word(1) == "maxconn" || u.word(1) == "timeout"):
	case keyword == "httpclient.ssl.ca-file":
		u.file(CertificateFile, keyword, u.word(1))
	case keyword == "ssl-passphrase-cmd":
		u.add(Program, keyword, u.word(1))
	case isOneOf(globalKeywords, keyword), strings.HasPrefix(keyword, "tune."):
	case isOneOf(globalPowers, keyword):
		u.add(Program, "", strings.Join(u.words, " "))
	default:
		u.unknown(keyword)
	}
}

// globalPowers are the global keywords that run programs, or choose what HAProxy may do on
// its machine.
const globalPowers = " acme.scheduler chroot daemon default-path deviceatlas-json-file external-check gid group insecure-fork-wanted" +
	" insecure-setuid-wanted lua-load lua-load-per-thread lua-prepend-path master-worker module-load module-path nbproc" +
	" pidfile presetenv resetenv server-state-base server-state-file set-dumpable setcap setenv ssl-engine ssl-provider ssl-provider-path stats stats-file" +
	" trace uid ulimit-n unix-bind unsetenv user wurfl-data-file 51degrees-data-file "

// storeLine judges a line of a crt-store section.
func (u *uses) storeLine(keyword string) {
	if keyword != "load" {
		u.file(CertificateFile, keyword, u.word(1))
		return
	}
	u.options(1, certificateFlags, certificateValues+certificateOptions, "")
}

// fcgiLine judges a line of an fcgi-app section.
func (u *uses) fcgiLine(keyword string) {
	if keyword == "log-stderr" && u.word(1) != "global" {
		u.words = u.words[1:]
		u.words = append([]string{"log"}, u.words...)
		u.logTarget()
	}
}

// networkLine judges the addresses of a line, and its options.
func (u *uses) networkLine(keyword string) {
	switch keyword {
	case "nameserver", "mailer", "peer":
		u.address(keyword, u.word(2))
		if keyword == "peer" {
			u.options(3, serverFlags, serverValues, serverPowers)
		}
	case "dgram-bind", "bind":
		for address := range strings.SplitSeq(u.word(1), ",") {
			u.address(keyword, address)
		}
		u.options(2, bindFlags, bindValues, bindPowers)
	case "default-bind":
		u.options(1, bindFlags, bindValues, bindPowers)
	case "server":
		// The local peer has no address.
		if u.word(2) != "" {
			u.network(keyword)
		}
		u.options(3, serverFlags, serverValues, serverPowers)
	case "default-server":
		u.network(keyword)
		u.options(1, serverFlags, serverValues, serverPowers)
	case "log":
		u.logTarget()
	}
}
