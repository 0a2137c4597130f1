//! Write a thumbnail of a picture. Usage: thumbnail PICTURE THUMBNAIL WIDTH

use std::env;
use std::ffi::{c_void, CStr, CString};
use std::os::raw::{c_char, c_int};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use std::ptr::null_mut;

/// VIPS_SIZE_DOWN: a picture is never enlarged.
const SIZE_DOWN: c_int = 2;

extern "C" {
    fn vips_init(argv0: *const c_char) -> c_int;
    fn vips_shutdown();
    fn vips_version_string() -> *const c_char;
    fn vips_error_buffer() -> *const c_char;
    fn vips_thumbnail(name: *const c_char, out: *mut *mut c_void, width: c_int, ...) -> c_int;
    fn vips_image_write_to_file(image: *mut c_void, name: *const c_char, ...) -> c_int;
    fn vips_image_get_width(image: *const c_void) -> c_int;
    fn vips_image_get_height(image: *const c_void) -> c_int;
    fn g_object_unref(object: *mut c_void);
}

/// A picture of libvips, which is released with this value.
struct Image(*mut c_void);

impl Drop for Image {
    fn drop(&mut self) {
        unsafe { g_object_unref(self.0) }
    }
}

impl Image {
    fn thumbnail(picture: &CStr, width: c_int) -> Result<Image, String> {
        let (mut image, end) = (null_mut(), null_mut::<c_void>());
        let size = b"size\0".as_ptr() as *const c_char;
        check(unsafe {
            vips_thumbnail(picture.as_ptr(), &mut image, width, size, SIZE_DOWN, end)
        })?;
        Ok(Image(image))
    }

    fn write(&self, path: &CStr) -> Result<(), String> {
        check(unsafe { vips_image_write_to_file(self.0, path.as_ptr(), null_mut::<c_void>()) })
    }

    fn size(&self) -> (c_int, c_int) {
        unsafe { (vips_image_get_width(self.0), vips_image_get_height(self.0)) }
    }
}

/// Return the message of libvips for a result that is an error.
fn check(result: c_int) -> Result<(), String> {
    match result {
        0 => Ok(()),
        _ => Err(text(unsafe { vips_error_buffer() })),
    }
}

fn text(pointer: *const c_char) -> String {
    unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned()
}

fn make_thumbnail(picture: &CStr, thumbnail: &CStr, width: c_int) -> Result<String, String> {
    check(unsafe { vips_init(b"thumbnail\0".as_ptr() as *const c_char) })?;
    let image = Image::thumbnail(picture, width)?;
    image.write(thumbnail)?;
    let (width, height) = image.size();
    Ok(format!(
        "{width} x {height} with libvips {}",
        text(unsafe { vips_version_string() })
    ))
}

fn main() -> ExitCode {
    let args: Vec<CString> = env::args_os()
        .skip(1)
        .filter_map(|arg| CString::new(arg.into_vec()).ok())
        .collect();
    let width = args
        .get(2)
        .and_then(|arg| arg.to_str().ok()?.parse().ok())
        .filter(|&width| width > 0);
    let result = match (args.as_slice(), width) {
        ([picture, thumbnail, _], Some(width)) => make_thumbnail(picture, thumbnail, width),
        _ => {
            eprintln!("usage: thumbnail PICTURE THUMBNAIL WIDTH");
            return ExitCode::from(2);
        }
    };
    unsafe { vips_shutdown() }
    match result {
        Ok(line) => println!("{line}"),
        Err(message) => {
            eprint!("thumbnail: {message}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
