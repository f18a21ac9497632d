// SPDX-License-Identifier: BSD-2-Clause
//
// Requests of HTTP, for whatever reads Prometheus text: GET /metrics, and errors for all else.

import Linux

enum HTTP {
  private enum Status { case ok, notFound, methodNotAllowed, noMemory }

  /// "GET /metrics HTTP/1.1"
  static func isRequest(_ line: Text) -> Bool {
    line.count > 9 && line.slice(line.count - 9, line.count - 1).equals(" HTTP/1.")
  }

  /// Answers a request by its first line.
  static func answer(_ line: Text, _ answer: inout Answer) {
    var words = Words(line)
    let method = words.next() ?? Text("")
    let path = words.next() ?? Text("")
    var body = Answer()
    var status = Status.ok
    if !path.equals("/metrics") && !path.hasPrefix("/metrics?") {
      status = .notFound
      body.add("there is /metrics only\n")
    } else if !method.equals("GET") {
      status = .methodNotAllowed
      body.add("/metrics knows GET only\n")
    } else {
      Metrics.write(to: &body)
    }
    if body.isIncomplete {
      status = .noMemory
      body.clear()
      body.add("no memory for the answer\n")
    }
    writeHead(status, length: body.count, to: &answer)
    answer.add(body)
  }

  private static func writeHead(_ status: Status, length: Int, to answer: inout Answer) {
    answer.add("HTTP/1.1 ")
    answer.add(line(status))
    answer.add("\r\n")
    if status == .methodNotAllowed { answer.add("Allow: GET\r\n") }
    answer.add("Content-Type: ")
    answer.add(status == .ok ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain")
    answer.add("\r\nContent-Length: ")
    answer.add(number: UInt(length))
    answer.add("\r\nConnection: close\r\n\r\n")
  }

  private static func line(_ status: Status) -> StaticString {
    switch status {
    case .ok: "200 OK"
    case .notFound: "404 Not Found"
    case .methodNotAllowed: "405 Method Not Allowed"
    case .noMemory: "500 Internal Server Error"
    }
  }
}
