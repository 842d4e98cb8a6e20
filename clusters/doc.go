// Package clusters shows other Pacemaker clusters: it asks the agents of Thalassa on their nodes.
//
// [Load] makes a [Source] from each [Entry] of the settings. A [Fleet] follows them: of each
// cluster it asks one agent for the state again as soon as that changes, and goes on with another
// one when it gives no usable answer, or when its node is not in the partition with quorum. A
// question that fails is not asked at the same agent again for a while. Ask passes a read request
// on.
//
// Each question has a deadline, and each answer a maximum size. Redirects are not followed. The
// package must never send anything of the caller's to a cluster but the path and the query of the
// request: the cluster judges the token or the certificate that the settings name. Nor must it pass
// on anything of an answer but its document.
package clusters
