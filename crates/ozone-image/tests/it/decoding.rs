use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgba, RgbaImage};
use ozone_image::{DecodeError, Format, Limits, RgbImage, decode};

use crate::{drawn, speckled};

fn encoded(pixels: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = vec![];
    pixels.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<ozone_image::Picture, DecodeError> {
    decode(bytes, &Limits::default())
}

#[test]
fn lossless_formats_give_the_pixels_back() {
    let pixels = speckled(23, 11);
    let formats = [
        (ImageFormat::Png, Format::Png),
        (ImageFormat::Bmp, Format::Bmp),
        (ImageFormat::Tiff, Format::Tiff),
        (ImageFormat::WebP, Format::WebP),
    ];
    for (format, known_as) in formats {
        let picture = read(&encoded(&pixels, format)).unwrap();
        assert_eq!(picture.format(), Some(known_as));
        assert!(*picture.pixels() == pixels, "{format:?}");
    }
}

#[test]
fn jpeg_and_gif_are_read() {
    let pixels = drawn(40, 30, |x, _| if x < 20 { [250, 10, 10] } else { [10, 10, 250] });
    for (format, known_as) in [(ImageFormat::Jpeg, Format::Jpeg), (ImageFormat::Gif, Format::Gif)] {
        let picture = read(&encoded(&pixels, format)).unwrap();
        assert_eq!(picture.format(), Some(known_as));
        assert_eq!((picture.width(), picture.height()), (40, 30));
        let [r, _, b] = picture.pixels().get_pixel(35, 15).0;
        assert!(r < 40 && b > 210, "{format:?}: {r} {b}");
    }
}

/// A JPEG whose camera was held otherwise: `tag` is EXIF's orientation.
fn with_orientation(jpeg: &[u8], tag: u8) -> Vec<u8> {
    let tiff = [
        b"MM\0*".as_slice(),
        &[0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, tag, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let body = [b"Exif\0\0".as_slice(), &tiff].concat();
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &body, &jpeg[2..]].concat()
}

#[test]
fn exif_orientation_is_applied_and_told() {
    let pixels = drawn(32, 16, |x, _| if x < 16 { [255, 0, 0] } else { [0, 0, 255] });
    let mut jpeg = vec![];
    pixels.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, 95)).unwrap();
    // 6: the camera's top is to the right, so the picture must be turned clockwise.
    let picture = read(&with_orientation(&jpeg, 6)).unwrap();
    assert_eq!((picture.width(), picture.height()), (16, 32));
    assert!(picture.pixels().get_pixel(8, 4)[0] > 200, "left became top");
    assert!(picture.pixels().get_pixel(8, 28)[2] > 200);
    assert!(picture.notes()[0].contains("EXIF"), "{:?}", picture.notes());
    assert!(read(&with_orientation(&jpeg, 1)).unwrap().notes().is_empty());
}

#[test]
fn see_through_parts_lie_on_white() {
    let pixels = RgbaImage::from_fn(4, 4, |x, _| Rgba([0, 0, 0, if x < 2 { 0 } else { 255 }]));
    let mut bytes = vec![];
    pixels.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
    let picture = read(&bytes).unwrap();
    assert_eq!(picture.pixels().get_pixel(0, 0).0, [255; 3]);
    assert_eq!(picture.pixels().get_pixel(3, 0).0, [0; 3]);
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| {
            if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 }
        })
    })
}

/// A PNG that says it has so many pixels and holds none.
fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let header =
        [b"IHDR".as_slice(), &width.to_be_bytes(), &height.to_be_bytes(), &[8, 6, 0, 0, 0]]
            .concat();
    for chunk in [header, b"IDAT".to_vec()] {
        bytes.extend(((chunk.len() - 4) as u32).to_be_bytes());
        bytes.extend(&chunk);
        bytes.extend(crc(&chunk).to_be_bytes());
    }
    bytes
}

#[test]
fn a_picture_of_too_many_pixels_is_refused_before_it_is_decoded() {
    let frame = [0x2c, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 8, 0, 0x3b];
    let gif = [b"GIF89a".as_slice(), &[0xff, 0xff, 0xff, 0xff, 0, 0, 0], &frame].concat();
    for bytes in [png_bomb(60_000, 60_000), png_bomb(1, 3_000_000), gif] {
        let error = read(&bytes).unwrap_err();
        assert!(matches!(error, DecodeError::TooManyPixels { .. }), "{error}");
        assert!(error.to_string().contains("at most"), "{error}");
    }
}

#[test]
fn limits_are_the_callers() {
    let bytes = encoded(&speckled(100, 100), ImageFormat::Png);
    let limits = Limits { pixels_max: 9_999, ..Limits::default() };
    assert!(matches!(decode(&bytes, &limits), Err(DecodeError::TooManyPixels { .. })));
    let limits = Limits { bytes_max: bytes.len() - 1, ..Limits::default() };
    assert!(matches!(decode(&bytes, &limits), Err(DecodeError::TooManyBytes { .. })));
    let limits = Limits { memory_max: 20_000, ..Limits::default() };
    assert!(decode(&bytes, &limits).is_err());
}

#[test]
fn a_jpeg_of_endless_scans_is_refused() {
    let mut jpeg = encoded(&speckled(16, 16), ImageFormat::Jpeg);
    jpeg.truncate(jpeg.len() - 2);
    (0..1000).for_each(|_| jpeg.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]));
    assert!(matches!(read(&jpeg), Err(DecodeError::TooComplex { format: Format::Jpeg, .. })));
}

#[test]
fn what_is_no_picture_is_said_to_be_none() {
    let error = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert!(error(b"").contains("no picture"));
    assert!(error(b"hello, this is text").contains("PNG, JPEG"));
    assert!(error(b"%PDF-1.7 ...").contains("PDF files cannot be read here"));
    assert!(error(b"\0\0\0\x20ftypheic\0\0\0\0").contains("HEIC"));
    let png = encoded(&speckled(50, 50), ImageFormat::Png);
    for cut in [9, 30, png.len() / 2] {
        assert!(read(&png[..cut]).is_err(), "cut at {cut}");
    }
}

/// Every file that is damaged somewhere gives a picture or an error.
#[test]
fn damage_never_panics() {
    let pixels = speckled(24, 24);
    let mut files = vec![SVG_TEXT.as_bytes().to_vec()];
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::Bmp] {
        files.push(encoded(&pixels, format));
    }
    files.push(encoded(&pixels, ImageFormat::Tiff));
    files.push(encoded(&pixels, ImageFormat::WebP));
    let limits = Limits { pixels_max: 5_000_000, ..Limits::default() };
    for file in files {
        for at in (0..file.len()).step_by(file.len() / 40 + 1) {
            let mut damaged = file.clone();
            damaged[at] ^= 0x55;
            let _ = decode(&damaged, &limits);
            let _ = decode(&file[..at], &limits);
        }
    }
}

const SVG_TEXT: &str = r#"<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">
<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100">
<rect width="100" height="100" fill="blue"/><text x="110" y="60" font-size="40">Ab</text></svg>"#;

#[test]
fn a_drawing_is_drawn_large_with_its_words() {
    let picture = read(SVG_TEXT.as_bytes()).unwrap();
    assert_eq!(picture.format(), Some(Format::Svg));
    assert_eq!((picture.width(), picture.height()), (1024, 512));
    assert_eq!(picture.pixels().get_pixel(100, 100).0, [0, 0, 255]);
    let is_dark = |x: u32, y: u32| picture.pixels().get_pixel(x, y)[0] < 80;
    let words = (560..800).flat_map(|x| (150..310).map(move |y| (x, y)));
    assert!(words.filter(|(x, y)| is_dark(*x, *y)).count() > 1000);
}

#[test]
fn drawings_that_unfold_are_refused() {
    let levels = (1..30).map(|i| {
        let before = i - 1;
        format!(r##"<g id="g{i}"><use href="#g{before}"/><use href="#g{before}"/></g>"##)
    });
    let head = r#"<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10">"#;
    let bomb = format!(
        r#"{head}<rect id="g0" width="1" height="1"/>{}</svg>"#,
        levels.collect::<String>()
    );
    let circle =
        format!(r##"{head}<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g></svg>"##);
    let deep = format!("{head}{}{}</svg>", "<g>".repeat(5000), "</g>".repeat(5000));
    let pattern = format!(
        r##"{head}<pattern id="p"><rect style="stroke:none;fill:url(#p)"/></pattern></svg>"##
    );
    let entities = r#"<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
        <svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><text>&b;</text></svg>"#;
    for bomb in [bomb, circle, deep, pattern, entities.to_owned()] {
        let error = read(bomb.as_bytes()).unwrap_err();
        assert!(
            matches!(error, DecodeError::TooComplex { .. } | DecodeError::Broken { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_drawing_sees_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret.png");
    drawn(8, 8, |_, _| [255, 0, 0]).save(&secret).unwrap();
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><image href="{}" width="10" height="10"/></svg>"#,
        secret.display()
    );
    let picture = read(svg.as_bytes()).unwrap();
    assert!(picture.pixels().pixels().all(|p| p.0 == [255; 3]));
}
