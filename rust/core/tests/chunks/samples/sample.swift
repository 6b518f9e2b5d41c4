import Foundation
import Combine

let defaultTimeout: TimeInterval = 30
typealias Completion = (Result<Data, NetworkError>) -> Void

/// What can be loaded over the network.
protocol Loadable {
    associatedtype Output
    var path: String { get }
    func decode(_ data: Data) throws -> Output
}

enum NetworkError: Error {
    case timeout
    case status(Int)
    case decoding(underlying: Error)

    var isRetryable: Bool {
        switch self {
        case .timeout: return true
        case .status(let code): return code >= 500
        case .decoding: return false
        }
    }
}

/// A page of results.
struct Page<Item: Codable>: Codable {
    let items: [Item]
    let next: String?

    static let empty = Page(items: [], next: nil)

    init(items: [Item], next: String?) {
        self.items = items
        self.next = next
    }

    subscript(index: Int) -> Item {
        items[index]
    }

    mutating func append(_ other: Page<Item>) {
        self = Page(items: items + other.items, next: other.next)
    }
}

extension Page: Sequence {
    func makeIterator() -> IndexingIterator<[Item]> {
        items.makeIterator()
    }
}

@MainActor
final class Downloader: ObservableObject {
    @Published private(set) var progress: Double = 0
    private let session: URLSession
    private var tasks: [URL: URLSessionTask] = [:]

    init(session: URLSession = .shared) {
        self.session = session
    }

    deinit {
        tasks.values.forEach { $0.cancel() }
    }

    /// Loads a resource, again after a while where that may help.
    func load<Resource: Loadable>(
        _ resource: Resource,
        from base: URL,
        attempts: Int = 3
    ) async throws -> Resource.Output {
        var last: Error = NetworkError.timeout
        for attempt in 0..<attempts {
            do {
                let url = base.appendingPathComponent(resource.path)
                var request = URLRequest(url: url, timeoutInterval: defaultTimeout)
                request.setValue("application/json", forHTTPHeaderField: "Accept")
                let (data, response) = try await session.data(for: request)
                guard let http = response as? HTTPURLResponse else {
                    throw NetworkError.status(0)
                }
                guard (200..<300).contains(http.statusCode) else {
                    throw NetworkError.status(http.statusCode)
                }
                progress = Double(attempt + 1) / Double(attempts)
                return try resource.decode(data)
            } catch let error as NetworkError where error.isRetryable {
                last = error
                try await Task.sleep(nanoseconds: UInt64(1 << attempt) * 1_000_000_000)
            }
        }
        throw last
    }

    /// Loads several pages one after the other and puts them together.
    func loadAll<Item: Codable>(from base: URL, limit: Int) async throws -> [Item] {
        var items: [Item] = []
        var next: String? = "first"
        while let path = next, items.count < limit {
            let page: Page<Item> = try await load(PageResource(path: path), from: base)
            items.append(contentsOf: page.items.prefix(limit - items.count))
            next = page.next
        }
        return items
    }

    func cancel(_ url: URL) {
        tasks.removeValue(forKey: url)?.cancel()
    }

    func cancelAll() {
        for (url, task) in tasks {
            task.cancel()
            log("cancelled \(url)")
        }
        tasks.removeAll()
        progress = 0
    }

    private func track(_ task: URLSessionTask, for url: URL) {
        tasks[url]?.cancel()
        tasks[url] = task
        task.resume()
        log("started \(url), \(tasks.count) under way")
    }
}

actor Cache {
    private var entries: [String: Data] = [:]

    func value(for key: String) -> Data? {
        entries[key]
    }
}

infix operator <~: AssignmentPrecedence

func <~ <T>(left: inout T, right: T?) {
    if let right { left = right }
}

func log(_ message: String, file: String = #file) {
    print("[\(file)] \(message)")
}
