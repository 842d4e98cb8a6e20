// Package listen serves TLS and plain connections on one TCP port, and keeps the
// certificate of that port.
//
// [Port] wraps a listener. It looks at the first byte of each connection in a goroutine of its own,
// so that a connection that sends nothing delays no other one. A connection that begins with a TLS
// record becomes a *tls.Conn; any other one is passed on as it is. The HTTP server decides how it
// answers plain requests.
//
// A certificate comes from a [Source]: [SelfSigned] makes and renews one, [Files] reads one that
// another program renews. Changes of both take effect without interrupting connections.
package listen
