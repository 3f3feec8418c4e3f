package main

import (
	"net"
	"strings"

	"github.com/miekg/dns"
)

const ttl = 5

type server struct {
	zone     string
	cluster  *cluster
	upstream []string
}

func (s *server) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	if len(query.Question) != 1 {
		refuse(w, query)
		return
	}
	question := query.Question[0]
	name := strings.ToLower(question.Name)
	switch {
	case dns.IsSubDomain(s.zone, name):
		reply := new(dns.Msg)
		reply.SetReply(query)
		reply.Authoritative, reply.RecursionAvailable = true, true
		if !s.cluster.ready() {
			reply.Rcode = dns.RcodeServerFailure // an empty answer would be believed
		} else if !s.answer(reply, question, strings.TrimSuffix(strings.TrimSuffix(name, s.zone), ".")) {
			reply.Rcode = dns.RcodeNameError
		}
		if len(reply.Answer) == 0 {
			reply.Ns = []dns.RR{s.soa()}
		}
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
			reply.Truncate(sizeOf(query))
		}
		w.WriteMsg(reply)
	case question.Qtype == dns.TypePTR && s.pointer(w, query, name):
	default:
		s.forward(w, query)
	}
}

func sizeOf(query *dns.Msg) int {
	if options := query.IsEdns0(); options != nil && options.UDPSize() > dns.MinMsgSize {
		return int(options.UDPSize())
	}
	return dns.MinMsgSize
}

func (s *server) soa() dns.RR {
	return &dns.SOA{Hdr: s.header(s.zone, dns.TypeSOA), Ns: "ns.dns." + s.zone, Mbox: "hostmaster." + s.zone,
		Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: ttl}
}

func (s *server) header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

// answer fills in what is known of a name within the zone, and says whether the name exists.
func (s *server) answer(reply *dns.Msg, question dns.Question, rest string) bool {
	labels := dns.SplitDomainName(rest)
	if len(labels) == 0 {
		return true
	}
	kind := labels[len(labels)-1]
	labels = labels[:len(labels)-1]
	switch {
	case kind == "dns-version" && len(labels) == 0:
		if question.Qtype == dns.TypeTXT {
			reply.Answer = append(reply.Answer, &dns.TXT{Hdr: s.header(question.Name, dns.TypeTXT), Txt: []string{"1.1.0"}})
		}
		return true
	case kind == "pod" && len(labels) == 2:
		ip := net.ParseIP(strings.ReplaceAll(labels[0], "-", "."))
		s.address(reply, question, ip)
		return ip != nil
	case kind == "svc" && len(labels) == 0:
		return true
	case kind == "svc" && len(labels) == 1:
		return s.cluster.namespaceExists(labels[0])
	case kind == "svc":
		return s.service(reply, question, labels)
	}
	return false
}

// service answers [host.]name.namespace and _port._protocol.name.namespace.
func (s *server) service(reply *dns.Msg, question dns.Question, labels []string) bool {
	name := strings.Join(labels[len(labels)-2:], ".")
	prefix := labels[:len(labels)-2]
	service, ok := s.cluster.service(name)
	if !ok {
		return false
	}
	if service.Spec.Type == "ExternalName" {
		target := dns.Fqdn(service.Spec.ExternalName)
		reply.Answer = append(reply.Answer, &dns.CNAME{Hdr: s.header(question.Name, dns.TypeCNAME), Target: target})
		s.chase(reply, question, target)
		return len(prefix) == 0
	}
	headless := service.Spec.ClusterIP == "None"
	if len(prefix) == 2 && strings.HasPrefix(prefix[0], "_") {
		return s.ports(reply, question, service, name, prefix[0][1:], strings.TrimPrefix(prefix[1], "_"), headless)
	}
	if !headless {
		s.address(reply, question, net.ParseIP(service.Spec.ClusterIP))
		return len(prefix) == 0
	}
	found := false
	for _, b := range s.cluster.backends(name, service.Spec.PublishNotReadyAddresses) {
		if len(prefix) == 0 || len(prefix) == 1 && prefix[0] == b.host {
			found = true
			s.address(reply, question, net.ParseIP(b.ip))
		}
	}
	return found || len(prefix) == 0
}

func (s *server) address(reply *dns.Msg, question dns.Question, ip net.IP) {
	if four := ip.To4(); four != nil && (question.Qtype == dns.TypeA || question.Qtype == dns.TypeANY) {
		reply.Answer = append(reply.Answer, &dns.A{Hdr: s.header(question.Name, dns.TypeA), A: four})
	}
}

// ports answers SRV, with the addresses of its targets beside.
func (s *server) ports(reply *dns.Msg, question dns.Question, service object, name, portName, protocol string, headless bool) bool {
	add := func(p port, target, ip string) bool {
		if strings.ToLower(p.Name) != portName || strings.ToLower(p.Protocol) != protocol {
			return false
		}
		if question.Qtype == dns.TypeSRV {
			reply.Answer = append(reply.Answer, &dns.SRV{Hdr: s.header(question.Name, dns.TypeSRV), Priority: 0, Weight: 100,
				Port: uint16(p.Port), Target: target})
			reply.Extra = append(reply.Extra, &dns.A{Hdr: s.header(target, dns.TypeA), A: net.ParseIP(ip).To4()})
		}
		return true
	}
	base, found := name+".svc."+s.zone, false
	if !headless {
		for _, p := range service.Spec.Ports {
			found = add(p, base, service.Spec.ClusterIP) || found
		}
		return found
	}
	for _, b := range s.cluster.backends(name, service.Spec.PublishNotReadyAddresses) {
		for _, p := range b.ports {
			found = add(p, b.host+"."+base, b.ip) || found
		}
	}
	return found
}

// pointer answers for cluster IPs; other addresses are the upstream's business.
func (s *server) pointer(w dns.ResponseWriter, query *dns.Msg, name string) bool {
	labels := dns.SplitDomainName(strings.TrimSuffix(name, ".in-addr.arpa."))
	if !strings.HasSuffix(name, ".in-addr.arpa.") || len(labels) != 4 {
		return false
	}
	service, ok := s.cluster.nameOf(labels[3] + "." + labels[2] + "." + labels[1] + "." + labels[0])
	if !ok {
		return false
	}
	reply := new(dns.Msg)
	reply.SetReply(query)
	reply.Authoritative = true
	reply.Answer = []dns.RR{&dns.PTR{Hdr: s.header(name, dns.TypePTR), Ptr: service + ".svc." + s.zone}}
	w.WriteMsg(reply)
	return true
}
