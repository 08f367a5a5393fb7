//! Files that are text as they stand.

use ozone_files::Unreadable;

use crate::read;

/// All of the text of a file.
async fn text_of(name: &str, bytes: &[u8]) -> Result<String, Unreadable> {
    Ok(read(name, bytes).await?.parts.into_iter().map(|part| part.text).collect())
}

#[tokio::test]
async fn text_comes_out_of_many_kinds_of_files() {
    assert_eq!(text_of("a.txt", "Grüße".as_bytes()).await.unwrap(), "Grüße");
    assert_eq!(text_of("a.txt", b"\xef\xbb\xbfa\r\nb").await.unwrap(), "a\nb");
    assert_eq!(text_of("a", b"Gr\xfc\xdfe").await.unwrap(), "Grüße");
    let utf16: Vec<u8> = [0xfeff_u16]
        .into_iter()
        .chain("häß".encode_utf16())
        .collect::<Vec<_>>()
        .iter()
        .flat_map(|u| u.to_le_bytes())
        .collect();
    assert_eq!(text_of("a.csv", &utf16).await.unwrap(), "häß");
    let page = b"<html><head><title>T</title><style>p{color:red}</style><script>let x=1</script>\
        </head><body><h1>Tea &amp; more</h1><p>Boil <b>water</b>.</p><table><tr><td>one</td>\
        <td>two</td></tr></table></body></html>";
    let text = text_of("a.HTML", page).await.unwrap();
    for word in ["Tea & more", "water", "one", "two"] {
        assert!(text.contains(word), "{text}");
    }
    assert!(!text.contains("color") && !text.contains("let x") && !text.contains('<'), "{text}");
    let json = format!("{{\"items\":[{}1]}}", "1,".repeat(2000));
    assert!(text_of("a.json", json.as_bytes()).await.unwrap().lines().count() > 2000);
}

#[tokio::test]
async fn what_is_no_text_is_told_apart() {
    let unsupported = async |name: &str, bytes: &[u8]| {
        assert!(matches!(text_of(name, bytes).await, Err(Unreadable::Unsupported(_))), "{name}");
    };
    for name in ["a.docx", "a.txt"] {
        let read = text_of(name, b"PK\x03\x04\x14\x00\x06\x00").await;
        assert!(matches!(read, Err(Unreadable::Invalid(_))), "{name}");
    }
    unsupported("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").await;
    let noise: Vec<u8> =
        (0..10_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    unsupported("a.bin", &noise).await;
    for empty in [&b""[..], b"  \n\t ", b"\xef\xbb\xbf"] {
        assert!(matches!(text_of("a.txt", empty).await, Err(Unreadable::Invalid(_))));
    }
    assert!(matches!(text_of("a.html", b"<p></p>").await, Err(Unreadable::Invalid(_))));
    let huge = vec![b'a'; 20_000_001];
    assert!(matches!(text_of("a.txt", &huge).await, Err(Unreadable::Invalid(_))));
}

/// A page whose elements stand within one another without end is refused, not parsed for ever.
#[tokio::test]
async fn a_hostile_page_is_read_or_refused_soon() {
    let deep = "<div>".repeat(300_000);
    assert!(matches!(text_of("a.html", deep.as_bytes()).await, Err(Unreadable::Invalid(_))));
    let formatting = "<b><i>".repeat(900) + "text";
    assert!(text_of("a.html", formatting.as_bytes()).await.unwrap().contains("text"));
    let icons = "<svg><path d='M0'/><circle r='1'/></svg>".repeat(3000)
        + &format!("<script>{}</script>one", "if(a<b){c()}".repeat(3000));
    assert_eq!(text_of("a.html", icons.as_bytes()).await.unwrap().trim(), "one");
    let unclosed = "<p>one<td>two".repeat(20_000);
    assert!(text_of("a.html", unclosed.as_bytes()).await.unwrap().contains("one"));
}
